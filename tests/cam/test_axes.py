"""What a tensor's axes stand for, followed through the operations that cut, join and move them."""

from __future__ import annotations

import pytest

from vidcam.cam.build import axes
from vidcam.cam.build.axes import image_layout
from vidcam.cam.build.positions import Positions, attends, positions

PICTURE = (2, 16, 24, 3)


def tokens(extra: int = 0, rows: int = 4, columns: int = 6, width: int = 8) -> axes.Layout:
    """A convolution's patches in a line, with tokens before them."""
    grid = axes.convolved(image_layout(PICTURE), (2, rows, columns, width))
    assert grid is not None
    line = axes.reshape(grid, (2, rows * columns, width))
    assert line is not None
    if not extra:
        return line
    return axes.concatenated([None, line], [extra, rows * columns], 1, (2, extra + rows * columns, width))


def shaped(layout: axes.Layout | None, *shape: int) -> axes.Layout:
    assert layout is not None
    out = axes.reshape(layout, shape)
    assert out is not None
    return out


def test_a_picture_and_a_convolutions_output_are_maps() -> None:
    assert positions(image_layout(PICTURE)) == Positions((16, 24))
    assert positions(axes.convolved(image_layout(PICTURE), (2, 8, 12, 5))) == Positions((8, 12))


def test_patches_in_a_line_are_a_map_with_or_without_class_and_register_tokens() -> None:
    assert positions(tokens()) == Positions((4, 6), before=0)
    assert positions(tokens(5)) == Positions((4, 6), before=5)
    behind = axes.concatenated([tokens(), None], [24, 1], 1, (2, 25, 8))
    assert positions(behind) == Positions((4, 6), before=0)
    assert positions(axes.concatenated([None, tokens(1)], [4, 25], 1, (2, 29, 8))) == Positions((4, 6), before=5)


def test_a_slice_that_takes_class_tokens_away_leaves_the_grid_and_one_that_takes_patches_away_none() -> None:
    batch, line, channels = tokens(2)
    assert positions((batch, axes.sliced(line, 2, 1, 24), channels)) == Positions((4, 6), before=0)
    assert positions((batch, axes.sliced(line, 1, 1, 25), channels)) == Positions((4, 6), before=1)
    assert positions((batch, axes.sliced(line, 3, 1, 23), channels)) is None


@pytest.mark.parametrize("extra", [0, 1])
def test_heads_by_tokens_are_never_a_map(extra: int) -> None:
    n = 24 + extra
    per_head = shaped(tokens(extra), 2, n, 2, 4)
    heads = axes.transpose(per_head, (0, 2, 1, 3))
    scores = axes.matmul(heads, heads, (2, 2, n, n), (False, True))
    read = axes.matmul(scores, heads, (2, 2, n, 4))
    assert [positions(x) for x in (per_head, heads, scores, read)] == [None] * 4
    assert attends(scores) == "all"
    assert not any(attends(x) for x in (per_head, heads, read, tokens(extra)))
    joined = shaped(axes.transpose(read, (0, 2, 1, 3)), 2, n, 8)
    assert positions(joined) == positions(tokens(extra))
    assert positions(axes.einsum("bnhd,bmhd->bhnm", [per_head, per_head], (2, 2, n, n))) is None


def test_one_head_that_looks_like_a_grid_is_none() -> None:
    one = shaped(tokens(), 2, 1, 24, 8)
    assert positions(one) is None
    assert positions(shaped(tokens(), 2, 24, 1, 8)) is None
    assert positions(axes.reshape(tokens(), (2, 6, 4, 8))) is None  # as many, but no rows of this grid
    assert positions(shaped(tokens(), 2, 4, 6, 8)) == Positions((4, 6))


def test_windows_are_no_map_until_they_are_put_back() -> None:
    grid = shaped(tokens(), 2, 4, 6, 8)
    cut = shaped(axes.transpose(shaped(grid, 2, 2, 2, 3, 2, 8), (0, 1, 3, 2, 4, 5)), 12, 4, 8)
    assert positions(cut) is None
    assert attends(axes.matmul(cut, cut, (12, 4, 4), (False, True))) == "windows"
    back = shaped(axes.transpose(shaped(cut, 2, 2, 3, 2, 2, 8), (0, 1, 3, 2, 4, 5)), 2, 4, 6, 8)
    assert back == grid


def test_rolled_rows_are_no_map_until_they_are_rolled_back() -> None:
    batch, rows, columns, channels = shaped(tokens(), 2, 4, 6, 8)
    away = (batch, axes.rolled(rows, -2), columns, channels)
    assert positions(away) is None
    assert positions((batch, axes.rolled(away[1], 2), columns, channels)) == Positions((4, 6))


def test_a_patchs_pixels_may_be_its_channels() -> None:
    cut = axes.transpose(shaped(image_layout(PICTURE), 2, 4, 4, 6, 4, 3), (0, 1, 3, 2, 4, 5))
    assert positions(shaped(cut, 2, 24, 48)) == Positions((4, 6), before=0)


def test_what_a_mean_takes_away_is_gone_and_a_residual_brings_it_back() -> None:
    line = tokens()
    assert positions(axes.reduced(line, [1], keep=False)) is None
    mixed = axes.elementwise([None, line], (2, 24, 8))
    assert mixed == line
    mixer = axes.transpose(line, (0, 2, 1))
    lost = axes.matmul(mixer, None, (2, 8, 24))
    assert positions(axes.transpose(lost, (0, 2, 1))) is None
    assert positions(axes.elementwise([axes.transpose(lost, (0, 2, 1)), line], (2, 24, 8))) == Positions((4, 6), 0)


def test_time_is_an_axis_of_its_own_or_part_of_the_batch_or_of_the_line() -> None:
    clip = image_layout((2, 6, 16, 24, 3))
    assert positions(clip) == Positions((6, 16, 24))
    assert positions(shaped(clip, 12, 16, 24, 3)) == Positions((6, 16, 24), folded=True)
    tubes = axes.convolved(clip, (2, 3, 4, 6, 8))
    assert positions(shaped(tubes, 2, 72, 8)) == Positions((3, 4, 6), before=0)
    frames = shaped(axes.convolved(clip, (2, 6, 4, 6, 8)), 12, 24, 8)
    assert positions(frames) == Positions((6, 4, 6), before=0, folded=True)
