"""How steady maps are over a clip: every method beside the controls. The measures are in `flicker`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from vidcam.cam import Explainer
from vidcam.cam.targets import Target
from vidcam.metrics.controls import CONTROLS, control_map
from vidcam.metrics.faithfulness import options_of
from vidcam.metrics.flicker import flicker, switches
from vidcam.render import History, Look, histories
from vidcam.types import Array, Classifier, Frame, Placement


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
    explainers = [Explainer(classifier, m, batch_size=1, **options_of(m, options)) for m in methods]
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
