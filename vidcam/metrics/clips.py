"""How steady maps are over a clip: methods beside the controls, ways of smoothing beside one another.

The measures are in `flicker`, `steadiness` and `perturbation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from vidcam.cam import Explainer
from vidcam.cam.targets import Target
from vidcam.metrics.controls import CONTROLS, control_map
from vidcam.metrics.faithfulness import Once, explainer_options
from vidcam.metrics.flicker import flicker, lag, switches
from vidcam.metrics.perturbation import Perturbation
from vidcam.metrics.steadiness import Steadiness
from vidcam.render import History, Look, histories, lay_over
from vidcam.render.flow import Motions
from vidcam.render.look import Normalization
from vidcam.types import Array, Classifier, Frame, Placement

SMOOTH = Look().smooth
WAYS: dict[str, tuple[Normalization, float, bool]] = {
    "each frame by itself": ("frame", 0.0, False),
    "not smoothed": ("running", 0.0, False),
    f"smoothed {SMOOTH / 2:g} s": ("running", SMOOTH / 2, False),
    f"smoothed {SMOOTH:g} s": ("running", SMOOTH, False),
    f"along the motion {SMOOTH:g} s": ("running", SMOOTH, True),
}
"""How heat is scaled and smoothed: the scaling, the time constant in seconds, and whether it is carried along. The last
is how `vidcam run` shows it by default."""
UNSMOOTHED = 1
SAMPLES = 8
"""Frames of a clip on which insertion is measured, at most."""


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
    """Measures how steady methods' maps and the controls are over a clip.

    Args:
        classifier: what is explained.
        frames: the clip's, of one size.
        methods: names of methods.
        target: what to explain, `top` or classes.
        seed: of the random maps.
        progress: called with the frames done.
        **options: `Explainer`'s layer, top_channels and engine.

    Returns:
        A row for each method: `method`; `flicker` of the maps, each by its own maximum; `flicker_shown`, as
        `vidcam run` shows them by default; `switches`, how often the explained class changes.
    """
    explainers = [Explainer(classifier, m, batch_size=1, **explainer_options(m, options)) for m in methods]
    kept: dict[str, list[Array]] = {name: [] for name in (*methods, *CONTROLS)}
    times: list[float] = []
    targets: list[tuple[int, ...]] = []
    for number, (time, x, placement) in enumerate(_fitted(frames, classifier)):
        times.append(time)
        for name, explainer in zip(methods, explainers, strict=True):
            explanation = explainer.explain_inputs([x], placement, target)
            kept[name].append(explanation.maps[0])
        targets.append(explanation.targets[0])
        shape = (explanation.maps.shape[1], explanation.maps.shape[2])
        for name in CONTROLS:
            kept[name].append(control_map(name, shape, (seed, 0, number)))
        if progress is not None:
            progress(number + 1)
    of = {name: [()] * len(times) if name in CONTROLS else targets for name in kept}  # a control has no target
    return [
        {
            "method": name,
            "flicker": flicker(_heat(maps, times, of[name], History("frame", 0.0))),
            "flicker_shown": flicker(_heat(maps, times, of[name], histories(Look(), 1)[0])),
            **({"switches": switches(targets)} if name not in CONTROLS else {}),
        }
        for name, maps in kept.items()
    ]


def measure_steadiness(
    classifier: Classifier,
    frames: Iterable[Frame],
    *,
    cut: Callable[[Array], bool],
    expected: int | None = None,
    method: str = "gradcam",
    target: Target = "top",
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Measures how steady, late and right the heat of a clip is, by each way of smoothing it.

    Args:
        classifier: what is explained.
        frames: the clip's, of one size.
        cut: tells, picture after picture, whether a scene begins.
        expected: how many frames there are, where it is known.
        method: of the maps.
        target: what to explain, `top` or classes.
        progress: called with the frames done.
        **options: `Explainer`'s layer and engine.

    Returns:
        A row for each of `WAYS`: `method`, its name; `E`, see `steadiness`; `lag` in seconds behind the unsmoothed
        maps; `insertion`, see `Perturbation`, the mean over `SAMPLES` frames at most; `flicker`.
    """
    explainer = Explainer(classifier, method, batch_size=1, **explainer_options(method, options))
    motions, steadiness = Motions(), Steadiness(len(WAYS))
    histories = [History(kind, smooth) for kind, smooth, _ in WAYS.values()]
    heat: list[list[Array]] = [[] for _ in WAYS]
    times: list[float] = []
    cuts: list[bool] = []
    kept: list[tuple[int, Array, tuple[int, ...]]] = []
    every = max(1, (expected or SAMPLES * 30) // SAMPLES)
    for number, (time, x, placement) in enumerate(_fitted(frames, classifier)):
        explanation = explainer.explain_inputs([x], placement, target)
        raw, chosen = explanation.maps[0], explanation.targets[0]
        motion, begins = motions(x), cut(x)
        carried = motion.on(raw.shape)
        for shown, history, (_, _, moves) in zip(heat, histories, WAYS.values(), strict=True):
            smoothed, peak = history(raw, time, chosen, cut=begins, motion=carried if moves else None)
            shown.append(_share(smoothed, peak))
        steadiness.add(motion, [shown[-1] for shown in heat], begins)
        times.append(time)
        cuts.append(begins)
        if number % every == every // 2 and len(kept) < SAMPLES:
            kept.append((number, x, chosen))
        if progress is not None:
            progress(number + 1)
    insertions = _insertions(explainer, kept, heat)
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    flat = [np.stack(shown).reshape(len(times), -1) for shown in heat]
    return [
        {
            "method": name,
            "E": error,
            **({"lag": lag(one, flat[UNSMOOTHED], step)} if step > 0 else {}),
            **({"insertion": float(np.mean(insertion))} if insertion else {}),
            "flicker": flicker(np.stack(shown), np.array(cuts)),
        }
        for name, error, one, insertion, shown in zip(WAYS, steadiness.errors(), flat, insertions, heat, strict=True)
    ]


def best_class(
    classifier: Classifier,
    frames: Iterable[Frame],
    *,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> int:
    """Finds the class that a whole clip shows most: what the target `clip-top` stands for.

    Args:
        classifier: what classifies it.
        frames: the clip's, of one size, one at least.
        progress: called with the frames done.
        **options: `Explainer`'s layer and engine.

    Returns:
        The class with the greatest mean probability.
    """
    explainer = Explainer(classifier, batch_size=1, **options)
    total = np.zeros(len(classifier.labels))
    for number, (_, x, _) in enumerate(_fitted(frames, classifier)):
        total += explainer.predict([x])[1][0]
        if progress is not None:
            progress(number + 1)
    return int(total.argmax())


def _insertions(
    explainer: Explainer, kept: Sequence[tuple[int, Array, tuple[int, ...]]], heat: Sequence[Sequence[Array]]
) -> list[list[float]]:
    """Returns each way's insertion scores on the frames that were kept."""
    found: list[list[float]] = [[] for _ in heat]
    for number, x, target in kept:

        def score(inputs: Sequence[Array], of: tuple[int, ...] = target) -> Array:
            total: Array = explainer.predict(inputs)[1][:, list(of)].sum(axis=1)
            return total

        size = (x.shape[1], x.shape[0])
        whole = (0.0, 0.0, float(size[0]), float(size[1]))
        measures = Once(Perturbation(x, score))
        for scores, shown in zip(found, heat, strict=True):
            scores.append(measures.measure(lay_over(shown[number], Placement(size, size, whole, whole)))["insertion"])
    return found


def mean_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns for each method the means of its figures over the clips that have them, in their order."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figures = list(dict.fromkeys(name for row in rows for name in row if name not in ("clip", "method")))
    means = []
    for method in methods:
        mine = [row for row in rows if row["method"] == method]
        of = {name: [row[name] for row in mine if name in row and np.isfinite(row[name])] for name in figures}
        means.append({"method": method, **{name: float(np.mean(values)) for name, values in of.items() if values}})
    return means


def _fitted(frames: Iterable[Frame], classifier: Classifier) -> Iterator[tuple[float, Array, Placement]]:
    for frame in frames:
        yield float(frame.time), *classifier.prepare(frame.rgb())


def _heat(maps: Sequence[Array], times: Sequence[float], targets: Sequence[tuple[int, ...]], history: History) -> Array:
    """Scales a clip's maps as they are shown, float32 (N, h, w) in [0, 1]."""
    heat = np.zeros((len(maps), *maps[0].shape), np.float32)
    for i, (raw, time, target) in enumerate(zip(maps, times, targets, strict=True)):
        heat[i] = _share(*history(raw, time, target))
    return heat


def _share(shown: Array, peak: float) -> Array:
    """Returns a map as heat of 0 to 1."""
    if peak > 0 and np.isfinite(shown).all():
        return np.clip(shown / np.float32(peak), 0.0, 1.0)
    return np.zeros_like(shown)
