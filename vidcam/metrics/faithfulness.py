"""What class activation maps are worth on pictures: every method beside the controls.

The measures themselves are in `perturbation`, `road`, `boxes` and `randomization`; clips are measured in `clips`; the
table and the plot are in `vidcam.report`.
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vidcam.cam import Explainer, find_method, resolve_target
from vidcam.cam.targets import Target
from vidcam.errors import UsageError
from vidcam.metrics.boxes import Thing, box_area, energy, pointing
from vidcam.metrics.controls import CONTROLS, control_map
from vidcam.metrics.perturbation import Perturbation
from vidcam.metrics.randomization import entropy_rise, permuted_weights, rank_correlation
from vidcam.metrics.road import Road
from vidcam.render import lay_over
from vidcam.types import Array, Classifier, OpenNetwork, Placement, Progress

EQUAL = 1e-4
"""Of the maximum: maps that differ by less everywhere are measured as one."""


@dataclass(frozen=True, slots=True)
class MeasuredPicture:
    """A picture to measure on.

    Attributes:
        name: the file's name, or the frame's time.
        rgb: uint8 (H, W, 3).
        thing: where the thing is; no boxes where nobody says.
    """

    name: str
    rgb: Array
    thing: Thing = ()


@dataclass(frozen=True, slots=True)
class Fitted:
    """A picture as the model is shown it.

    Attributes:
        number: the picture's, from 0.
        input: uint8 (h, w, C).
        placement: how it was fitted.
        target: the class indices to explain.
        grid: (rows, columns) of the first method's map, once it is known.
    """

    number: int
    input: Array
    placement: Placement
    target: tuple[int, ...]
    grid: tuple[int, int] = (0, 0)


def check_methods(names: Sequence[str], top_channels: int | None = None) -> tuple[str, ...]:
    """Checks the methods to measure.

    Args:
        names: of methods.
        top_channels: for Score-CAM, which has to be among them then.

    Returns:
        The names, each once.

    Raises:
        UsageError: a method is unknown, or an option goes with none.
    """
    methods = {name.strip(): find_method(name.strip()) for name in names}
    if top_channels is not None and not any(m.scored for m in methods.values()):
        raise UsageError("--top-channels goes with scorecam, which is not among the methods")
    return tuple(methods)


class MeasuredMethod:
    """A class activation method as it is measured: its maps, and those of the model with permuted weights.

    Args:
        explainer: by that method.
        untrained: the same of the model with permuted weights, None where there is no network to permute.
    """

    def __init__(self, explainer: Explainer, untrained: Explainer | None) -> None:
        self.name = explainer.method.name
        self.explainer = explainer
        self._untrained = untrained

    def map(self, fitted: Fitted) -> Array:
        """Returns the raw map (h, w)."""
        raw: Array = self.explainer.explain_inputs([fitted.input], fitted.placement, fitted.target).maps[0]
        return raw

    def untrained_map(self, fitted: Fitted) -> Array | None:
        """Returns the raw map of the model that has learned nothing; None where there is none."""
        if self._untrained is None:
            return None
        raw: Array = self._untrained.explain_inputs([fitted.input], fitted.placement, fitted.target).maps[0]
        return raw


class Control:
    """A control as it is measured: on the first method's grid.

    Args:
        name: see `control_map`.
        seed: of the random numbers.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self._seed = seed

    def map(self, fitted: Fitted) -> Array:
        """Returns the map (h, w)."""
        return control_map(self.name, fitted.grid, (self._seed, 0, fitted.number))

    def untrained_map(self, fitted: Fitted) -> Array:
        """Returns the map again; a random one in other numbers."""
        return control_map(self.name, fitted.grid, (self._seed, 1, fitted.number))


def measure_pictures(
    classifier: Classifier,
    pictures: Iterable[MeasuredPicture],
    methods: Sequence[str],
    *,
    count: int,
    target: Target = "top",
    seed: int = 0,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    perturbed: bool = True,
    **options: Any,
) -> list[dict[str, Any]]:
    """Measures methods and the controls on pictures.

    Args:
        classifier: what is explained.
        pictures: what on.
        methods: names of methods.
        count: how many pictures there are, for the progress.
        target: what to explain; `top` is each picture's best class, the same for every method.
        seed: of the random maps, of the permuted weights and of ROAD's noise.
        progress: called with the maps measured and expected.
        cancelled: asked after every picture; True ends it there.
        perturbed: whether pictures are changed and scored anew and weights permuted, which takes nearly all of the
            time; else rows say what lies on the thing only.
        **options: `Explainer`'s layer, top_channels and engine.

    Returns:
        A row for each picture and method: `picture`, `method`; `insertion`, `deletion`, `drop` and `increase`, see
        `Perturbation`; `road`, see `Road`; `pointing` and `energy`, see `boxes`, where it is known where the thing is,
        and `box`, the share of the picture that it is;
        `untrained`, the rank correlation with the map of the model with permuted weights (near 0 is good), and
        `emprt`, the rise of the entropy from the one map to the other; `ms`, how long the map took.
    """
    known = _methods(classifier, methods, seed if perturbed else None, options)
    makers: list[MeasuredMethod | Control] = [*known, *(Control(name, seed) for name in CONTROLS)]
    predict = known[0].explainer.predict
    chosen = resolve_target(target, classifier.labels)
    rows: list[dict[str, Any]] = []
    for number, picture in enumerate(pictures):
        x, placement = classifier.prepare(picture.rgb)
        indices = chosen or (int(predict([x])[0][0].argmax()),)
        fitted = Fitted(number, x, placement, indices)

        def score(inputs: Sequence[Array], of: tuple[int, ...] = indices) -> Array:
            total: Array = predict(inputs)[1][:, list(of)].sum(axis=1)
            return total

        measures = Once(Perturbation(x, score), Road(x, score, (seed, number))) if perturbed else Once()
        for maker in makers:
            measured, grid = _measure(maker, fitted, measures, picture)
            fitted = fitted if fitted.grid[0] else replace(fitted, grid=grid)
            rows.append({"picture": picture.name, "method": maker.name, **measured})
            if progress is not None:
                progress(len(rows), count * len(makers))
        if cancelled():
            break
    return rows


def _methods(
    classifier: Classifier, names: Sequence[str], seed: int | None, options: Mapping[str, Any]
) -> list[MeasuredMethod]:
    """Returns methods that share the network's graph, and with a seed that of the network with permuted weights."""
    first = {**explainer_options(names[0], options), "batch_size": 32}
    own, untrained = Explainer(classifier, names[0], **first), None
    if seed is not None and classifier.network is not None and not isinstance(classifier.network, OpenNetwork):
        untrained = Explainer(classifier, names[0], **first, weights=permuted_weights(classifier.model, seed))
    found = []
    for name in names:
        channels = explainer_options(name, options).get("top_channels")
        other = None if untrained is None else untrained.by(name, top_channels=channels)
        found.append(MeasuredMethod(own.by(name, top_channels=channels), other))
    return found


class Once:
    """Measures equal maps of one picture once: under a global average pooling many methods' maps are the same.

    Args:
        measures: what measures.

    Attributes:
        some: whether there is one.
    """

    def __init__(self, *measures: Perturbation | Road) -> None:
        self.some = bool(measures)
        self._measures = measures
        self._done: list[tuple[Array, dict[str, float]]] = []

    def measure(self, heat: Array) -> dict[str, float]:
        """Returns what the measures say of the map, or said of one that differs by float errors only."""
        peak = float(heat.max())
        scaled = heat / peak if peak > 0 else heat
        for other, figures in self._done:
            if np.allclose(scaled, other, rtol=0, atol=EQUAL):
                return dict(figures)
        figures = {name: value for m in self._measures for name, value in m.measure(scaled).items()}
        self._done.append((scaled, figures))
        return dict(figures)


def _measure(
    maker: MeasuredMethod | Control, fitted: Fitted, measures: Once, picture: MeasuredPicture
) -> tuple[dict[str, float], tuple[int, int]]:
    """Returns a map's figures and its (rows, columns)."""
    maker.map(fitted)  # the first of a size, and some later ones, compile for it, which is not the map's time
    began = clock.perf_counter()
    raw = maker.map(fitted)
    ms = 1000 * (clock.perf_counter() - began)
    raw = raw if np.isfinite(raw).all() else np.zeros_like(raw)
    size = fitted.placement.input
    whole = (0.0, 0.0, float(size[0]), float(size[1]))
    on_input = Placement(size, size, whole, whole)
    heat = lay_over(raw, on_input)
    row = measures.measure(heat)
    if len(picture.thing):
        on_frame = lay_over(raw, fitted.placement)
        row |= {"pointing": pointing(on_frame, picture.thing), "energy": energy(on_frame, picture.thing)}
        row["box"] = box_area(on_frame.shape, picture.thing)
    untrained = maker.untrained_map(fitted) if measures.some else None
    if untrained is not None:
        row["untrained"] = rank_correlation(raw, untrained)
        rise = entropy_rise(heat, lay_over(untrained, on_input))
        if math.isfinite(rise):
            row["emprt"] = rise
    return (row if isinstance(maker, Control) else {**row, "ms": ms}), (raw.shape[0], raw.shape[1])


def explainer_options(method: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those of `Explainer`'s options that a method takes."""
    return {name: value for name, value in options.items() if name != "top_channels" or find_method(method).scored}


def summarize(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Brings rows of pictures to one a method, in the order in which the methods come first.

    Args:
        rows: what `measure_pictures` returns.

    Returns:
        For each method the mean of every figure over the pictures that have it and, under NAME_error, its standard
        error; of `ms` the median, which a busy machine disturbs least.
    """
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figures = list(dict.fromkeys(key for row in rows for key in row if key not in ("picture", "method")))
    table = []
    for method in methods:
        line: dict[str, Any] = {"method": method}
        for name in figures:
            values = np.array([row[name] for row in rows if row["method"] == method and name in row], np.float64)
            if not len(values):
                continue
            line[name] = float(np.median(values) if name == "ms" else values.mean())
            if name != "ms" and len(values) > 1:
                line[f"{name}_error"] = float(values.std(ddof=1) / np.sqrt(len(values)))
        table.append(line)
    return table
