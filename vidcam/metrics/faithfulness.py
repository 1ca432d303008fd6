"""What class activation maps are worth on pictures and clips: every method beside a random and a centred map.

The measures themselves are in `perturbation`, `boxes`, `randomization` and `flicker`; the table and the plot are in
`vidcam.report`.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vidcam.cam import Explainer, find_method, resolve_target
from vidcam.cam.targets import Target
from vidcam.errors import UsageError
from vidcam.metrics.boxes import energy, pointing
from vidcam.metrics.flicker import flicker, switches
from vidcam.metrics.perturbation import Perturbation
from vidcam.metrics.randomization import permuted_weights, rank_correlation
from vidcam.render import DEFAULT_NORMALIZE, DEFAULT_SMOOTH, History, parse_normalize, spread
from vidcam.types import Array, Box, Classifier, Frame, Placement

BASELINES = ("random", "centre")
CENTRE = 0.25
"""Standard deviation of the centred map, in shares of the sides."""
EQUAL = 1e-4
"""Of the maximum: maps that differ by less everywhere are measured as one."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to measure on.

    Attributes:
        name: the file's name, or the frame's time.
        rgb: uint8 (H, W, 3).
        boxes: where the thing is, in pixels; none where nobody says.
    """

    name: str
    rgb: Array
    boxes: tuple[Box, ...] = ()


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
    if top_channels is not None and not any("scores" in m.needs for m in methods.values()):
        raise UsageError("--top-channels goes with scorecam, which is not among the methods")
    return tuple(methods)


class Method:
    """A class activation method as it is measured: its maps, and those of the model with permuted weights.

    Args:
        classifier: what is explained.
        name: of the method.
        options: `Explainer`'s layer, top_channels, engine and precision.
        untrained: values for the model's weights.
    """

    def __init__(self, classifier: Classifier, name: str, options: dict[str, Any], untrained: Sequence[Array]) -> None:
        options = {**{k: v for k, v in options.items() if _takes(name, k)}, "batch_size": 32}
        self.name = name
        self.explainer = Explainer(classifier, name, **options)
        self._untrained = Explainer(classifier, name, **options, weights=untrained)

    def map(self, fitted: Fitted) -> Array:
        """Returns the raw map (h, w)."""
        raw: Array = self.explainer.explain_inputs([fitted.input], fitted.placement, fitted.target).maps[0]
        return raw

    def untrained_map(self, fitted: Fitted) -> Array:
        """Returns the raw map of the model that has learned nothing."""
        raw: Array = self._untrained.explain_inputs([fitted.input], fitted.placement, fitted.target).maps[0]
        return raw


class Baseline:
    """A map that knows nothing of the picture, on the first method's grid: what any method has to be better than.

    Args:
        name: `random`, uniform numbers, or `centre`, a Gaussian in the middle.
        seed: of the random numbers.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self._seed = seed

    def map(self, fitted: Fitted) -> Array:
        """Returns the map (h, w)."""
        return self._map(fitted, 0)

    def untrained_map(self, fitted: Fitted) -> Array:
        """Returns the map again; a random one in other numbers."""
        return self._map(fitted, 1)

    def _map(self, fitted: Fitted, draw: int) -> Array:
        if self.name == "random":
            return random_map(fitted.grid, (self._seed, draw, fitted.number))
        return centred_map(fitted.grid)


def random_map(shape: tuple[int, int], seed: Sequence[int]) -> Array:
    """Returns uniform random heat, float32 (h, w) in [0, 1)."""
    return np.random.default_rng(list(seed)).random(shape, dtype=np.float32)


def centred_map(shape: tuple[int, int]) -> Array:
    """Returns a Gaussian in the middle, float32 (h, w), highest 1."""
    y, x = (((np.arange(n) + 0.5) / n - 0.5) ** 2 for n in shape)
    return np.exp(-(y[:, np.newaxis] + x) / (2 * CENTRE**2)).astype(np.float32)


def measure_pictures(
    classifier: Classifier,
    pictures: Iterable[Picture],
    methods: Sequence[str],
    *,
    count: int,
    target: Target = "top",
    seed: int = 0,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    **options: Any,
) -> list[dict[str, Any]]:
    """Measures methods, and a random and a centred map, on pictures.

    Args:
        classifier: what is explained.
        pictures: what on.
        methods: names of methods.
        count: how many pictures there are, for the progress.
        target: what to explain; `top` is each picture's best class, the same for every method.
        seed: of the random maps and of the permuted weights.
        progress: called with the maps measured and expected.
        cancelled: asked after every picture; True ends it there.
        **options: `Explainer`'s layer, top_channels, engine and precision.

    Returns:
        A row for each picture and method: `picture`, `method`; `insertion`, `deletion`, `drop` and `increase`, see
        `Perturbation`; `pointing` and `energy`, see `boxes`, where the picture has one; `untrained`, the rank
        correlation with the map of the model with permuted weights (near 0 is good); `ms`, how long the map took.
    """
    untrained = permuted_weights(classifier.model, seed)
    known = [Method(classifier, name, options, untrained) for name in methods]
    makers: list[Method | Baseline] = [*known, *(Baseline(name, seed) for name in BASELINES)]
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

        perturbation = Once(Perturbation(x, score))
        for maker in makers:
            measured, grid = _measure(maker, fitted, perturbation, picture)
            fitted = fitted if fitted.grid[0] else replace(fitted, grid=grid)
            rows.append({"picture": picture.name, "method": maker.name, **measured})
            if progress is not None:
                progress(len(rows), count * len(makers))
        if cancelled():
            break
    return rows


class Once:
    """Measures equal maps of one picture once: under a global average pooling many methods' maps are the same.

    Args:
        perturbation: what measures.
    """

    def __init__(self, perturbation: Perturbation) -> None:
        self._perturbation = perturbation
        self._done: list[tuple[Array, dict[str, float]]] = []

    def measure(self, heat: Array) -> dict[str, float]:
        """Returns what `Perturbation.measure` says of the map, or said of one that differs by float errors only."""
        peak = float(heat.max())
        scaled = heat / peak if peak > 0 else heat
        for other, figures in self._done:
            if np.allclose(scaled, other, rtol=0, atol=EQUAL):
                return dict(figures)
        figures = self._perturbation.measure(scaled)
        self._done.append((scaled, figures))
        return dict(figures)


def _measure(
    maker: Method | Baseline, fitted: Fitted, perturbation: Once, picture: Picture
) -> tuple[dict[str, float], tuple[int, int]]:
    """Returns a map's figures and its (rows, columns)."""
    if fitted.number == 0:
        maker.map(fitted)  # the first call builds the graph, which is not the map's time
    began = clock.perf_counter()
    raw = maker.map(fitted)
    ms = 1000 * (clock.perf_counter() - began)
    raw = raw if np.isfinite(raw).all() else np.zeros_like(raw)
    size = fitted.placement.input
    whole = (0.0, 0.0, float(size[0]), float(size[1]))
    row = perturbation.measure(spread(raw, Placement(size, size, whole, whole)))
    if picture.boxes:
        heat = spread(raw, fitted.placement)
        row |= {"pointing": pointing(heat, list(picture.boxes)), "energy": energy(heat, list(picture.boxes))}
    row["untrained"] = rank_correlation(raw, maker.untrained_map(fitted))
    return (row if isinstance(maker, Baseline) else {**row, "ms": ms}), (raw.shape[0], raw.shape[1])


def measure_clip(
    classifier: Classifier,
    frames: Iterable[Frame],
    methods: Sequence[str],
    *,
    target: Target = "top",
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Measures how steady methods' maps, a random and a centred one are over a clip.

    Args:
        classifier: what is explained.
        frames: the clip's, of one size.
        methods: names of methods.
        target: what to explain, `top` or classes.
        seed: of the random maps.
        progress: called with the frames done.
        **options: `Explainer`'s layer, top_channels, engine and precision.

    Returns:
        A row for each method: `method`; `flicker` of the maps, each by its own maximum; `flicker_shown`, as
        `vidcam run` shows them by default; `switches`, how often the explained class changes.
    """
    explainers = [
        Explainer(classifier, m, batch_size=1, **{k: v for k, v in options.items() if _takes(m, k)}) for m in methods
    ]
    kept: dict[str, list[Array]] = {name: [] for name in (*methods, *BASELINES)}
    times: list[float] = []
    targets: list[tuple[int, ...]] = []
    for number, (time, x, placement) in enumerate(_fitted(frames, classifier)):
        times.append(time)
        for name, explainer in zip(methods, explainers, strict=True):
            explanation = explainer.explain_inputs([x], placement, target)
            kept[name].append(explanation.maps[0])
        targets.append(explanation.targets[0])
        shape = (explanation.maps.shape[1], explanation.maps.shape[2])
        kept["random"].append(random_map(shape, (seed, 0, number)))
        kept["centre"].append(centred_map(shape))
        if progress is not None:
            progress(number + 1)
    shown = parse_normalize(DEFAULT_NORMALIZE)[0]
    of = {name: [()] * len(times) if name in BASELINES else targets for name in kept}  # a baseline has no target
    return [
        {
            "method": name,
            "flicker": flicker(_heat(maps, times, of[name], History("frame", 0.0))),
            "flicker_shown": flicker(_heat(maps, times, of[name], History(shown, DEFAULT_SMOOTH))),
            **({"switches": switches(targets)} if name not in BASELINES else {}),
        }
        for name, maps in kept.items()
    ]


def _takes(method: str, option: str) -> bool:
    return option != "top_channels" or "scores" in find_method(method).needs


def _fitted(frames: Iterable[Frame], classifier: Classifier) -> Iterator[tuple[float, Array, Placement]]:
    for frame in frames:
        yield float(frame.time), *classifier.prepare(frame.rgb())


def _heat(maps: Sequence[Array], times: Sequence[float], targets: Sequence[tuple[int, ...]], history: History) -> Array:
    """Scales a clip's maps as they are shown, float32 (N, h, w) in [0, 1]."""
    heat = np.zeros((len(maps), *maps[0].shape), np.float32)
    for i, (raw, time, target) in enumerate(zip(maps, times, targets, strict=True)):
        shown, peak = history(raw, time, target)
        if peak > 0 and np.isfinite(shown).all():
            heat[i] = np.clip(shown / peak, 0.0, 1.0)
    return heat


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
