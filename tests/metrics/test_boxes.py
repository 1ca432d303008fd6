"""The pointing game and the energy inside boxes, and the files that boxes come in."""

from __future__ import annotations

import numpy as np
import pytest

from vidcam.errors import VidcamError
from vidcam.metrics.boxes import energy, find_boxes, pointing, read_boxes

BOX = (2.0, 3.0, 6.0, 9.0)


def box_map():
    heat = np.zeros((12, 10))
    heat[3:9, 2:6] = 1.0
    return heat


def test_a_map_that_is_the_box_scores_one():
    assert pointing(box_map(), [BOX]) == 1.0
    assert energy(box_map(), [BOX]) == 1.0


def test_a_map_of_all_but_the_box_scores_nothing():
    assert pointing(1 - box_map(), [BOX]) == 0.0
    assert energy(1 - box_map(), [BOX]) == 0.0


def test_a_flat_map_scores_the_boxes_share_of_the_picture():
    flat = np.full((12, 10), 0.3)
    assert pointing(flat, [BOX]) == pytest.approx(24 / 120)
    assert energy(flat, [BOX]) == pytest.approx(24 / 120)


def test_random_maps_score_near_their_expectation():
    rng = np.random.default_rng(0)
    maps = rng.random((3000, 12, 10))
    assert np.mean([energy(m, [BOX]) for m in maps]) == pytest.approx(0.2, abs=0.005)
    assert np.mean([pointing(m, [BOX]) for m in maps]) == pytest.approx(0.2, abs=0.03)


def test_several_boxes_count_once_where_they_overlap():
    flat = np.ones((10, 10))
    assert energy(flat, [(0, 0, 5, 10), (0, 0, 5, 10)]) == pytest.approx(0.5)
    assert energy(flat, [(0, 0, 5, 10), (5, 0, 10, 5)]) == pytest.approx(0.75)


def test_no_heat_points_nowhere():
    assert pointing(np.zeros((4, 4)), [(0, 0, 4, 4)]) == 0.0
    assert energy(np.zeros((4, 4)), [(0, 0, 4, 4)]) == 0.0


def test_the_point_is_the_pixel_and_its_centre():
    heat = np.zeros((4, 4))
    heat[1, 2] = 1.0
    assert pointing(heat, [(2, 1, 3, 2)]) == 1.0
    assert pointing(heat, [(0, 0, 2.4, 4)]) == 0.0


def test_a_csv_of_boxes_is_found_and_read(tmp_path):
    (tmp_path / "a_notes.csv").write_text("a,b\n1,2\n")
    (tmp_path / "heads.csv").write_text(
        "file,label,xmin,ymin,xmax,ymax\nx.jpg,cat,1,2,3,4\ny.jpg,dog,0,0,5,5\nx.jpg,cat,6,6,8,9.5\n"
    )
    assert find_boxes(tmp_path) == tmp_path / "heads.csv"
    assert read_boxes(tmp_path / "heads.csv") == {"x.jpg": [(1, 2, 3, 4), (6, 6, 8, 9.5)], "y.jpg": [(0, 0, 5, 5)]}


def test_a_folder_without_boxes_has_none(tmp_path):
    assert find_boxes(tmp_path) is None


@pytest.mark.parametrize("line", ["x.jpg,1,2,3", "x.jpg,1,2,three,4", "x.jpg,3,2,1,4"])
def test_a_line_that_is_no_box_is_an_error_that_names_the_file(tmp_path, line):
    file = tmp_path / "boxes.csv"
    file.write_text(f"file,xmin,ymin,xmax,ymax\n{line}\n")
    with pytest.raises(VidcamError, match=r"boxes\.csv"):
        read_boxes(file)
