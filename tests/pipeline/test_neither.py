"""Where a model says that it sees none of its classes: a grey caption and no heat, unless that class was asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.pipeline.test_histories import MAP, PLACEMENT, SIZE, frames
from vidcam.pipeline.cells import SINGLE, Grid
from vidcam.pipeline.draw import Drawn, draw, silent_target
from vidcam.pipeline.explain import Explained, replay
from vidcam.render import Look, overlay
from vidcam.render.caption import FAINT
from vidcam.render.timeline import Timeline
from vidcam.types import Explanation, Frame, Planes, Track

LABELS = ("a", "b", "no a or b")
META = {"target": "top", "neither": "no a or b"}
FIRST = 3
"""The frame from which on the model sees none of its classes."""
LOOK = Look(caption=False, colorbar=False, smooth=0.0)


def explanation(i: int) -> Explanation:
    target = (1,) if i < FIRST else (2,)
    p = np.float32([[0.1, 0.8, 0.1] if i < FIRST else [0.1, 0.2, 0.7]])
    return Explanation(MAP[None], np.log(p), p, (target,), PLACEMENT)


def pictures(look: Look, meta: dict[str, str] | None, source: list[Frame], cells: int = 1) -> list[Drawn]:
    grid = SINGLE if cells == 1 else Grid(cells, ("",) * cells, False)
    batches = [Explained([f], (explanation(i),) * cells, [False]) for i, f in enumerate(source)]
    metas = () if meta is None else (meta,) * cells
    planes = source[0].planes is not None
    return list(draw(batches, look, [LABELS] * cells, grid, metas=metas, planes=planes))


@pytest.mark.parametrize("cells", [1, 2])
def test_no_heat_where_it_says_so(cells: int) -> None:
    made = pictures(LOOK, META, frames(), cells)
    for i, (drawn, frame) in enumerate(zip(made, frames(), strict=True)):
        want = overlay(frame.rgb(), MAP) if i < FIRST else frame.rgb()
        np.testing.assert_array_equal(drawn.picture, np.hstack([want] * cells))
        assert drawn.answers[0].target == ((1,) if i < FIRST else (2,))


@pytest.mark.parametrize("meta", [None, {"target": "top"}, {**META, "target": "no a or b"}])
def test_who_asks_for_that_class_sees_its_heat(meta: dict[str, str] | None) -> None:
    made = pictures(LOOK, meta, frames())
    np.testing.assert_array_equal(made[FIRST].picture, overlay(frames()[FIRST].rgb(), MAP))


def test_the_caption_is_grey() -> None:
    black = [Frame(f.index, f.time, f.duration, np.zeros_like(f.rgb()), f.size) for f in frames()]
    look = replace(LOOK, caption=True, alpha=0.0, colorbar=True)
    made = pictures(look, META, black)
    assert np.asarray(made[FIRST - 1].picture).max() > 225
    assert FAINT - 30 < np.asarray(made[FIRST].picture).max() <= FAINT


def test_on_the_planes_of_a_video_as_well() -> None:
    width, height = SIZE
    y, u, v = (np.full((height // n, width // n), 90 + 20 * n, np.uint8) for n in (1, 2, 2))
    stored = [Frame(f.index, f.time, f.duration, f.rgb(), SIZE, planes=Planes(y, u, v, "bt709")) for f in frames()]
    made = [d.picture for d in pictures(LOOK, META, stored)]
    assert isinstance(made[FIRST], Planes)
    for name in ("y", "u", "v"):
        np.testing.assert_array_equal(getattr(made[FIRST], name), getattr(stored[0].planes, name))
        assert (getattr(made[FIRST - 1], name) != getattr(stored[0].planes, name)).any()
    assert made[FIRST].y is not y  # the source's planes are not written to


def test_kept_maps_know_it() -> None:
    track = Track.concatenate(frames(), [explanation(i) for i in range(len(frames()))], LABELS, META)
    made = list(draw(replay(frames(), [track]), LOOK, [LABELS], metas=[track.meta]))
    np.testing.assert_array_equal(made[FIRST].picture, frames()[FIRST].rgb())


@pytest.mark.parametrize(
    ("meta", "silent"),
    [
        (META, (2,)),
        ({**META, "target": "clip-top"}, (2,)),
        ({**META, "target": "a"}, None),
        ({"target": "top"}, None),
        ({**META, "neither": "of another model"}, None),
    ],
)
def test_which_target_has_no_heat(meta: dict[str, str], silent: tuple[int, ...] | None) -> None:
    assert silent_target(meta, LABELS) == silent


def test_its_curve_is_grey() -> None:
    p = np.tile(np.float32([[0.1, 0.3, 0.6]]), (5, 1))
    strip = Timeline(np.arange(5.0), p, LABELS, (240, 320), "no a or b").under(np.zeros((2, 240, 3), np.uint8), 1.0)
    plain = Timeline(np.arange(5.0), p, LABELS, (240, 320)).under(np.zeros((2, 240, 3), np.uint8), 1.0)

    def grey(picture: np.ndarray) -> int:
        return int(((np.ptp(picture.astype(int), axis=-1) < 12) & (picture[..., 0] > 80)).sum())

    assert grey(strip) > grey(plain) + 100
