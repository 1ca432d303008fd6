"""Finding, splitting and reading pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training import drawn
from vidcam.errors import UsageError, VidcamError
from vidcam.models import fit_frame
from vidcam.training import data


def test_a_folder_of_classes_is_one_split(tmp_path: Path) -> None:
    drawn.folder(tmp_path, count=3)
    found = data.discover(tmp_path)
    assert found.labels == ("disc", "square")
    assert list(found.splits) == ["train"]
    assert found.splits["train"].counts(2) == [3, 3]
    assert list(data.discover(tmp_path, alone="test").splits) == ["test"]


def test_split_folders_come_in_order_under_their_own_names(tmp_path: Path) -> None:
    for i, name in enumerate(("test", "Validation", "train")):
        drawn.folder(tmp_path / name, count=2, first=10 * i)
    found = data.discover(tmp_path)
    assert list(found.splits) == ["train", "val", "test"]
    assert {p.parent.parent.name for p in found.splits["val"].paths} == {"Validation"}


def test_other_files_and_hidden_ones_are_passed_over(tmp_path: Path) -> None:
    drawn.folder(tmp_path, count=2)
    (tmp_path / "disc" / "notes.txt").write_text("no picture")
    (tmp_path / "disc" / "._000.png").write_bytes(b"what a Mac leaves on other disks")
    (tmp_path / ".cache").mkdir()
    assert data.discover(tmp_path).splits["train"].counts(2) == [2, 2]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda root: None, "no pictures"),
        (lambda root: drawn.folder(root, ("disc",)), "one class .disc. only"),
        (lambda root: [drawn.folder(root), (root / "empty").mkdir()], "empty.*holds no pictures"),
        (lambda root: [drawn.folder(root / "train"), drawn.folder(root / "test", ("disc", "ring"))], "disc, ring"),
        (lambda root: [drawn.folder(root / "train"), drawn.folder(root / "more")], "holds more beside"),
    ],
)
def test_a_folder_that_cannot_be_learnt_from_says_why(tmp_path: Path, make: object, says: str) -> None:
    make(tmp_path)  # type: ignore[operator]
    with pytest.raises(UsageError, match=says):
        data.discover(tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        data.discover(tmp_path / "nowhere")


def test_a_split_takes_its_share_of_every_class_and_the_seed_decides_which(tmp_path: Path) -> None:
    drawn.folder(tmp_path, count=20)
    files = data.discover(tmp_path).splits["train"]
    left, taken = data.split_off(files, 0.25, seed=3)
    assert left.counts(2) == [15, 15]
    assert taken.counts(2) == [5, 5]
    assert sorted([*left.paths, *taken.paths]) == sorted(files.paths)
    assert data.split_off(files, 0.25, seed=3) == (left, taken)
    assert data.split_off(files, 0.25, seed=4) != (left, taken)
    assert data.split_off(files, 0.001, seed=0)[1].counts(2) == [1, 1]
    assert data.split_off(files, 0.999, seed=0)[0].counts(2) == [1, 1]


def test_groups_stay_on_one_side(tmp_path: Path) -> None:
    for kind, people in (("disc", range(6)), ("square", range(4, 10))):  # two people have pictures of both
        (tmp_path / kind).mkdir()
        for person in people:
            for i in range(1 + person % 3):
                cv2.imwrite(str(tmp_path / kind / f"person{person}_{i}.png"), drawn.picture(kind, i))
    files = data.discover(tmp_path).splits["train"]
    for seed in range(5):
        left, taken = data.split_off(files, 0.3, seed, group=r"person\d+")
        sides = [{p.name.split("_")[0] for p in half.paths} for half in (left, taken)]
        assert not sides[0] & sides[1]
        assert sorted([*left.paths, *taken.paths]) == sorted(files.paths)
        assert min(left.counts(2)) > 0
        assert min(taken.counts(2)) > 0
    with pytest.raises(UsageError, match=r"--group \[: no regular expression"):
        data.split_off(files, 0.3, 0, group="[")
    with pytest.raises(UsageError, match=r"--group patient: finds nothing in the name of .*person0_0.png"):
        data.split_off(files, 0.3, 0, group="patient")
    with pytest.raises(VidcamError, match="one group .per. is too few"):
        data.split_off(files, 0.3, 0, group="per")


def test_the_background_is_one_more_class(tmp_path: Path) -> None:
    found = data.discover(drawn.folder(tmp_path / "data", count=4))
    left, taken = data.split_off(found.splits["train"], 0.25, seed=1)
    found = data.Folder(found.root, found.labels, {"train": left, "val": taken})
    drawn.folder(tmp_path / "no shape", ("ring",), count=8)
    more = data.add_background(found, tmp_path / "no shape", 0.25, seed=1)
    assert more.labels == ("disc", "square", "no shape")
    assert more.splits["train"].counts(3) == [3, 3, 6]
    assert more.splits["val"].counts(3) == [1, 1, 2]
    for folder, says in (("nowhere", "no folder with pictures"), ("data/disc", "hold a class disc already")):
        with pytest.raises(UsageError, match=says):
            data.add_background(found, tmp_path / folder, 0.25, seed=1)


def test_pictures_of_several_sizes_are_read_as_they_are_used(tmp_path: Path) -> None:
    drawn.folder(tmp_path, count=2)
    wide = np.zeros((40, 100, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "disc" / "wide.png"), wide)
    read = data.read_pictures(data.discover(tmp_path).splits["train"], (64, 64), ("disc", "square"), fit="keep")
    assert [p.shape for p in read.pixels] == [(64, 64, 3)] * 2 + [(64, 160, 3)] + [(64, 64, 3)] * 2
    assert read.aspects[2] == pytest.approx(100 / 40)
    assert [g.tolist() for g in data.by_size(read.pixels)] == [[0, 1, 3, 4], [2]]


def test_pictures_are_read_in_order_and_the_unreadable_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn.folder(tmp_path, count=4)
    grey = drawn.picture("disc", 50)[..., 0]
    cv2.imwrite(str(tmp_path / "disc" / "grey.png"), grey)
    (tmp_path / "disc" / "001.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    files = data.discover(tmp_path).splits["train"]
    told: list[tuple[str, int, int]] = []
    read = data.read_pictures(files, (24, 16), ("disc", "square"), lambda *step: told.append(step))
    assert [p.name for p in read.unreadable] == ["001.png"]
    assert read.pixels.shape == (8, 16, 24, 3)
    assert told[-1] == ("reading", 9, 9)
    for i, path in enumerate(read.paths):
        own = (
            grey[..., None].repeat(3, 2) if path.name == "grey.png" else drawn.picture(path.parent.name, int(path.stem))
        )
        np.testing.assert_array_equal(read.pixels[i], fit_frame(own, (24, 16))[0])
        assert ("disc", "square")[read.classes[i]] == path.parent.name
    monkeypatch.setattr(data, "IN_MEMORY", 1)
    again = data.read_pictures(files, (24, 16), ("disc", "square"))
    assert isinstance(again.pixels, np.memmap)
    np.testing.assert_array_equal(again.pixels, read.pixels)


def test_a_class_with_nothing_readable_is_an_error(tmp_path: Path) -> None:
    drawn.folder(tmp_path, count=2)
    for file in (tmp_path / "square").iterdir():
        file.write_bytes(b"nothing")
    with pytest.raises(VidcamError, match="none of the 2 pictures of class square"):
        data.read_pictures(data.discover(tmp_path).splits["train"], (8, 8), ("disc", "square"))


def test_class_weights_make_classes_count_the_same() -> None:
    classes = np.array([0] * 6 + [1] * 2 + [2] * 4)
    weights = data.class_weights(classes, 3)
    sums = [float(weights[classes][classes == c].sum()) for c in range(3)]
    np.testing.assert_allclose(sums, 4.0, rtol=1e-6)
