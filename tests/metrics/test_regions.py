"""How much of a clip's heat lies where the user says that the thing is: boxes that move, masks, and `vidcam run`."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import vidcam
from tests.clips import make_video
from tests.networks import gap_cnn
from vidcam.errors import UsageError, VidcamError
from vidcam.media import open_source
from vidcam.metrics.boxes import energy
from vidcam.metrics.regions import Boxes, find_masks, read_moving_boxes, region_of, shares_of
from vidcam.models import load_model
from vidcam.render import lay_over
from vidcam.types import Placement, Track

FRAME = (64, 48)
WHOLE = Placement(FRAME, (32, 32), (0, 0, *FRAME), (0, 0, 32, 32))


def track(maps, placement=WHOLE, rate=10):
    n = len(maps)
    scores = np.full((n, 2), 0.5, np.float32)
    at, targets = np.arange(n), ((0,),) * n
    return Track(at / rate, at, np.float32(maps), scores, scores, targets, placement, ("a", "b"))


def written(tmp_path, text):
    file = tmp_path / "boxes.csv"
    file.write_text(text)
    return file


def test_boxes_move_evenly_between_two_given_times(tmp_path):
    boxes = read_moving_boxes(written(tmp_path, "time,x0,y0,x1,y1\n2,30,10,50,20\n1,10,10,20,30\n"))
    assert boxes.at(1.0) == [(10, 10, 20, 30)]
    assert boxes.at(1.25) == [pytest.approx((15, 10, 27.5, 27.5))]
    assert boxes.at(2.0) == [(30, 10, 50, 20)]
    assert boxes.at(0.9) == boxes.at(2.1) == []


def test_each_label_moves_by_itself_and_what_is_given_once_stays(tmp_path):
    boxes = read_moving_boxes(
        written(
            tmp_path, "frame, label, xmin, ymin, xmax, ymax\n0,cat,0,0,10,10\n10,cat,20,0,30,10\n4,sofa,40,20,60,40"
        )
    )
    assert boxes.by == "frame"
    assert boxes.at(5) == [pytest.approx((10, 0, 20, 10)), (40, 20, 60, 40)]
    assert boxes.at(99) == [(40, 20, 60, 40)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x0,y0,x1,y1\n1,2,3,4\n", "time or frame"),
        ("time,x0,y0\n1,2,3\n", "x1"),
        ("time,x0,y0,x1,y1\n", "no line"),
        ("time,x0,y0,x1,y1\n0,5,5,5,9\n", "line 2"),
        ("time,x0,y0,x1,y1\n0,a,5,5,9\n", "'a'"),
        ("time,x0,y0,x1,y1\n0,1,1,5,9\n0,2,2,4,4\n", "second box"),
        ("time,x0,y0,x1,y1\n0,1,1\n", "columns"),
    ],
)
def test_what_is_no_file_of_boxes_is_said(tmp_path, text, words):
    with pytest.raises(VidcamError, match=words) as error:
        read_moving_boxes(written(tmp_path, text))
    assert str(error.value).startswith(str(tmp_path / "boxes.csv"))
    with pytest.raises(VidcamError, match="cannot be read"):
        read_moving_boxes(tmp_path / "none.csv")


def test_shares_are_those_of_the_pictures_energy():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(4, 6, 5))
    boxes = Boxes("time", {"": [(0.0, (8, 8, 30, 40)), (0.2, (20, 10, 60, 44))]})
    found = shares_of(track(maps), boxes)
    for i in range(3):
        assert found.heat[i] == pytest.approx(energy(lay_over(np.float32(maps[i]), WHOLE), boxes.at(i / 10)), abs=1e-6)
    assert np.isnan([found.heat[3], found.even[3], found.centre[3]]).all()
    assert found.frames == 3
    assert found.even[0] == pytest.approx(22 * 32 / (64 * 48))
    assert found.means()[0] == pytest.approx(found.heat[:3].mean())


def test_even_heat_has_the_regions_share_and_no_heat_has_none():
    boxes = Boxes("frame", {"": [(0, (16, 0, 48, 48))]})
    found = shares_of(track([np.ones((4, 4)), -np.ones((4, 4)), np.full((4, 4), np.nan)]), boxes)
    assert found.heat[0] == pytest.approx(0.5)
    assert found.centre[0] > 0.6
    assert np.isnan(found.heat[1:]).all()
    assert found.frames == 1


def test_a_large_picture_is_added_up_on_a_small_one():
    large, placement = (1280, 720), Placement((1280, 720), (32, 32), (280.0, 0.0, 1000.0, 720.0), (0, 0, 32, 32))
    raw = np.random.default_rng(1).random((7, 7))
    box = (333.0, 101.0, 777.0, 555.0)
    found = shares_of(track([raw], placement), Boxes("time", {"": [(0.0, box)]}))
    assert found.heat[0] == pytest.approx(energy(lay_over(np.float32(raw), placement), [box]), abs=0.01)
    assert found.even[0] == pytest.approx(444 * 454 / 720**2, abs=0.01)
    assert large == placement.frame


def test_masks_are_found_by_the_frames_number(tmp_path):
    mask = np.zeros((48, 64), np.uint8)
    mask[:, :16] = 255
    Image.fromarray(mask).save(tmp_path / "m_0001.png")
    Image.fromarray(mask[::2, ::2]).save(tmp_path / "m_0002.png")
    masks = find_masks(tmp_path)
    found = shares_of(track(np.ones((4, 8, 8))), masks)
    np.testing.assert_allclose(found.heat, [np.nan, 0.25, 0.25, np.nan])
    Image.fromarray(mask[:20]).save(tmp_path / "m_0003.png")
    with pytest.raises(VidcamError, match=r"m_0003\.png: 64x20"):
        shares_of(track(np.ones((4, 8, 8))), find_masks(tmp_path))
    Image.fromarray(mask).save(tmp_path / "other.png")
    with pytest.raises(VidcamError, match=r"other\.png"):
        find_masks(tmp_path)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(VidcamError, match="no masks"):
        find_masks(tmp_path / "nothing")
    with pytest.raises(UsageError, match="one of them"):
        region_of(tmp_path / "a.csv", tmp_path)


def test_run_says_how_much_heat_lies_on_the_thing(tmp_path):
    clip, boxes, page = make_video(tmp_path / "clip.mp4"), tmp_path / "boxes.csv", tmp_path / "page.html"
    with open_source(clip) as source:
        width, height = source.info.size
    boxes.write_text(f"time,x0,y0,x1,y1\n0,0,0,{width / 2},{height}\n0.5,{width / 4},0,{3 * width / 4},{height}\n")
    model = load_model(gap_cnn())
    result = vidcam.run(clip, tmp_path / "o.mp4", model=model, boxes=boxes, report=page)
    expected = shares_of(result.track, read_moving_boxes(boxes))
    np.testing.assert_array_equal(result.shares.heat, expected.heat)
    assert 0 < result.shares.frames < len(result.track)  # the boxes end at half a second
    assert result.shares.means()[1] == pytest.approx(0.5, abs=0.02)
    text = page.read_text("utf-8")
    assert '["heat on the thing",[' in text
    assert f'["heat on the thing","{100 * expected.means()[0]:.1f} %"]' in text


def test_an_outline_is_drawn_where_the_thing_is_and_only_when_it_is_asked_for(tmp_path):
    clip = make_video(tmp_path / "clip.mp4")
    boxes = written(tmp_path, "time,label,x0,y0,x1,y1\n0,a,10,10,30,40\n0.5,a,10,10,30,40\n")
    made, plain = {"model": load_model(gap_cnn()), "alpha": 0, "caption": False}, {}
    for name, more in (("with", {"outline": True}), ("without", {})):
        vidcam.run(clip, tmp_path / f"{name}.png", boxes=boxes, start=0, **made, **more)
        with Image.open(tmp_path / f"{name}.png") as picture:
            plain[name] = np.asarray(picture).astype(int)
    changed = (plain["with"] != plain["without"]).any(axis=2)
    assert changed[10, 10:30].all()
    assert changed[10:40, 29].all()
    assert not changed[14:36, 14:26].any()
    assert not changed[:, 34:].any()
    with pytest.raises(UsageError, match="--boxes or --masks"):
        vidcam.run(clip, tmp_path / "o.png", outline=True, **made)


def test_run_tells_what_is_wrong_with_boxes_before_the_model_is_loaded(tmp_path):
    clip = make_video(tmp_path / "clip.mp4")
    with pytest.raises(VidcamError, match="boxes over time"):
        vidcam.run(clip, tmp_path / "o.mp4", model="no_such_model", boxes=written(tmp_path, "a,b\n"))
    numbered = written(tmp_path, "frame,x0,y0,x1,y1\n0,1,1,5,5\n")
    with pytest.raises(UsageError, match="--start"):
        vidcam.run(clip, tmp_path / "o.mp4", model="no_such_model", boxes=numbered, start=0.2)
    assert not (tmp_path / "o.mp4").exists()
