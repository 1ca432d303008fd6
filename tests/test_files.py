"""Whatever is written: under its final name there is all of it or what was there before, and errors name that file."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.networks import as_classifier, gap_cnn
from vidcam import _files
from vidcam._files import OutputFile, make_folder, write_text, written
from vidcam.batch import records, tables
from vidcam.errors import UsageError, VidcamError
from vidcam.models import save_classifier
from vidcam.pipeline.names import partial_paths
from vidcam.report import faithfulness, figures, gallery, training
from vidcam.training import checkpoint, half


def figure(file: Path) -> None:
    with figures.saved(file, (2, 2)) as drawn:
        drawn.add_subplot().plot([1, 2])


def track(file: Path) -> None:
    state = checkpoint.Checkpoint("train", 1, [], [np.ones(3)], 1, 0.5)
    checkpoint.write(file, state, [np.zeros(2)], {"seed": 0}, {})


ROWS = [{"method": "cam", "insertion": 0.5}]
WRITERS: dict[str, Callable[[Path], None]] = {
    "text.txt": lambda file: write_text(file, "all of it"),
    "record.json": lambda file: records.replace(file, b"{}"),
    "plot.png": figure,
    "maps.csv": lambda file: faithfulness.write_csv(ROWS, file),
    "bars.png": lambda file: faithfulness.plot(ROWS, file, "title"),
    "index.html": lambda file: gallery.write_gallery(file, [], "title"),
    "m.keras": lambda file: save_classifier(as_classifier(gap_cnn()), file),
    "half.keras": half.halve,
    "checkpoint.npz": track,
    "history.csv": lambda file: training.write_history([], file.parent),
    "table.csv": lambda file: tables._write(file, ["a"], [["b"]]),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A model file, which is what `halve` finds."""
    file = tmp_path_factory.mktemp("model") / "m.keras"
    save_classifier(as_classifier(gap_cnn()), file)
    return file.read_bytes()


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every temporary file is on a disk without room."""
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    made = OutputFile.__init__

    def make(self: OutputFile, *arguments: object, **options: object) -> None:
        made(self, *arguments, **options)  # type: ignore[arg-type]
        self.temporary.unlink()
        self.temporary.symlink_to("/dev/full")

    monkeypatch.setattr(OutputFile, "__init__", make)


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_blamed_on_the_file_and_leaves_what_was_there(
    tmp_path: Path, model: bytes, full_disk: None, name: str
) -> None:
    file = tmp_path / name
    before = model if name == "half.keras" else b"mine"
    file.write_bytes(before)
    with pytest.raises(VidcamError) as caught:
        WRITERS[name](file)
    assert str(caught.value).startswith(f"{file}: cannot be written")
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("name", WRITERS)
def test_the_file_appears_when_it_is_complete(
    tmp_path: Path, model: bytes, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / name
    before = model if name == "half.keras" else b"mine"
    file.write_bytes(before)
    seen = []
    commit = OutputFile.commit

    def look(self: OutputFile) -> None:
        if self.path == file:
            seen.append((file.read_bytes(), self.temporary.stat().st_size))
        commit(self)

    monkeypatch.setattr(OutputFile, "commit", look)
    WRITERS[name](file)
    assert seen == [(before, file.stat().st_size)]
    assert file.read_bytes() not in (before, b"")
    assert not list(tmp_path.glob(".*"))


def test_a_block_that_raises_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("mine")
    with contextlib.suppress(ZeroDivisionError), written(file) as temporary:
        temporary.write_text("half")
        temporary.write_text(str(1 / 0))
    assert file.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_is_there_stays_without_overwrite(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    with written(file, overwrite=False) as temporary:
        temporary.write_text("first")
    with pytest.raises(UsageError, match="--overwrite"), written(file, overwrite=False):
        pass
    with pytest.raises(VidcamError, match="appeared"), written(tmp_path / "b.txt", overwrite=False) as temporary:
        (tmp_path / "b.txt").write_text("quicker")
    assert (file.read_text(), (tmp_path / "b.txt").read_text()) == ("first", "quicker")
    assert not list(tmp_path.glob(".*"))


def test_a_link_is_followed_and_names_that_are_no_text_are_written(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    write_text(tmp_path / "link.txt", "new\r\n" + os.fsdecode(b"\xff"))
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_bytes() == b"new\r\n\\udcff"


def test_many_writers_of_one_name_leave_one_whole_file(tmp_path: Path) -> None:
    texts = [str(i) * 50_000 for i in range(8)]
    failed: list[BaseException] = []

    def write(text: str) -> None:
        try:
            for _ in range(20):
                write_text(tmp_path / "a.txt", text)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert (tmp_path / "a.txt").read_text() in texts
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_is_made_or_one_line_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_folder(tmp_path / "a" / "b").is_dir()
    assert make_folder(tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="a file is in the way"):
            make_folder(path)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(_files.Path, "mkdir", refused)
    with pytest.raises(VidcamError, match="c: the folder cannot be made: Permission denied"):
        make_folder(tmp_path / "c")


def test_a_run_cut_short_replaces_nothing(tmp_path: Path) -> None:
    outputs = [tmp_path / "o.mp4", tmp_path / "p.csv"]
    assert [p.name for p in partial_paths(outputs, overwrite=False)] == ["o.partial.mp4", "p.partial.csv"]
    (tmp_path / "p.partial.csv").write_text("mine")
    assert [p.name for p in partial_paths(outputs, overwrite=False)] == ["o.partial-2.mp4", "p.partial-2.csv"]
    (tmp_path / "o.partial-2.mp4").write_text("mine")
    assert [p.name for p in partial_paths(outputs, overwrite=False)] == ["o.partial-3.mp4", "p.partial-3.csv"]
    assert [p.name for p in partial_paths(outputs, overwrite=True)] == ["o.partial.mp4", "p.partial.csv"]


def test_what_is_written_can_be_read(tmp_path: Path, model: bytes) -> None:
    (tmp_path / "half.keras").write_bytes(model)
    for name, write in WRITERS.items():
        write(tmp_path / name)
    assert (tmp_path / "text.txt").read_text() == "all of it"
    assert json.loads((tmp_path / "record.json").read_text()) == {}
    assert list(csv.DictReader((tmp_path / "maps.csv").open())) == [{"method": "cam", "insertion": "0.5"}]
    assert (tmp_path / "half.keras").stat().st_size < len(model)
    assert checkpoint.read(tmp_path / "checkpoint.npz", {"seed": 0}) is not None
