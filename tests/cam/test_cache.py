"""Graphs on disk: found again, replaced when damaged, bounded, never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.networks import as_classifier, flatten_cnn, gap_cnn, pictures, randomize
from vidcam import _archive
from vidcam import _cache as cache
from vidcam._openvino import installed
from vidcam.cam import Explainer

needs_openvino = pytest.mark.skipif(not installed(), reason="OpenVINO is not installed")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VIDCAM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "graphs"


@pytest.fixture
def converted(monkeypatch) -> list[str]:
    """The keys of the networks that are converted by the test's own thread: what others still do is none of its."""
    from vidcam.cam.build import builder

    found: list[str] = []
    convert, own = builder.convert, threading.get_ident()

    def counted(content, *rest):
        if threading.get_ident() == own:
            found.append(content.key())
        return convert(content, *rest)

    monkeypatch.setattr(builder, "convert", counted)
    return found


def card(size: int) -> dict[str, str]:
    """A card whose archive takes so many bytes, nearly."""
    return {"x": np.random.default_rng(0).bytes(size * 3 // 4).hex()}


@needs_openvino
def test_a_graph_is_converted_once(folder, converted):
    frames = pictures(3)
    first = Explainer(as_classifier(flatten_cnn()), engine="openvino")(frames)
    assert len(converted) == 1
    again = Explainer(as_classifier(flatten_cnn()), engine="openvino")  # another model of the same layers and weights
    np.testing.assert_array_equal(again(frames).maps, first.maps)
    assert len(converted) == 1, (converted, list(folder.iterdir()))
    assert len(list(folder.iterdir())) == 1
    Explainer(as_classifier(flatten_cnn()), "layercam", engine="openvino")  # of the same graph
    assert len(converted) == 1
    Explainer(as_classifier(flatten_cnn()), layer="conv_1", engine="openvino")
    Explainer(as_classifier(randomize(flatten_cnn(), 1)), engine="openvino")
    Explainer(as_classifier(flatten_cnn(), preprocess="unit"), engine="openvino")
    assert len(converted) == len(list(folder.iterdir())) == 4


@needs_openvino
@pytest.mark.parametrize("damage", ["cut", "weights", "graph", "empty", "another"])
def test_a_damaged_entry_is_made_again(folder, converted, damage):
    classifier, frames = as_classifier(gap_cnn()), pictures(2)
    first = Explainer(classifier, engine="openvino")(frames).maps
    (entry,) = folder.iterdir()
    data = bytearray(entry.read_bytes())
    if damage == "cut":
        del data[len(data) // 2 :]
    elif damage == "weights":
        data[zipfile.ZipFile(entry).getinfo("graph.bin").header_offset + 200] ^= 64
    elif damage == "graph":
        data[zipfile.ZipFile(entry).getinfo("graph.xml").header_offset + 200] ^= 64
    elif damage == "empty":
        data.clear()
    entry.write_bytes(data)
    if damage == "another":  # whole, but of another kind
        _archive.write(entry, {"layer": 3})
    np.testing.assert_array_equal(Explainer(classifier, engine="openvino")(frames).maps, first)
    assert len(converted) == 2
    np.testing.assert_array_equal(Explainer(classifier, engine="openvino")(frames).maps, first)
    assert len(converted) == 2


@needs_openvino
@pytest.mark.parametrize("where", ["a file", "nowhere", "unwritable"])
def test_without_a_place_it_works(tmp_path, monkeypatch, where):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VIDCAM_CACHE", "" if where == "nowhere" else str(tmp_path / "file"))
    if where == "unwritable":
        monkeypatch.setenv("VIDCAM_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(Path, "mkdir", _refuse)
    explainer = Explainer(as_classifier(gap_cnn()), engine="openvino")
    assert explainer(pictures(1)).maps.shape == (1, 8, 8)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def _refuse(*_: object, **__: object) -> None:
    raise PermissionError


@needs_openvino
def test_two_processes_at_once_both_get_it(folder):
    code = (
        "from tests.networks import *; from vidcam.cam import Explainer\n"
        "print(Explainer(as_classifier(gap_cnn()), engine='openvino')(pictures(2)).maps.sum())"
    )
    programs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        for _ in range(2)
    ]
    results = [program.communicate(timeout=120)[0] for program in programs]
    assert results[0] == results[1] != ""
    assert len(list(folder.iterdir())) == 1


def test_threads_that_write_one_entry_leave_a_whole_one(folder):
    start = threading.Barrier(8)
    found = []

    def write() -> None:
        start.wait()
        found.append(cache.store("key", card(4000)))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [stored.card for stored in found] == [{"format": 1, **card(4000)}] * 8
    assert cache.load("key").card == found[0].card
    assert [p.name for p in folder.iterdir()] == ["key.vidcam"]


def test_the_entries_used_longest_ago_go_first(folder, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 3500)
    for number in range(3):
        cache.store(f"{number}", card(1000))
        os.utime(folder / f"{number}.vidcam", (1000 + number, 1000 + number))
    assert cache.load("0") is not None  # used now
    cache.store("3", card(1000))
    assert sorted(p.stem for p in folder.iterdir()) == ["0", "2", "3"]
    cache.store("4", card(9000))  # larger than all: kept, as it was just made
    assert [p.stem for p in folder.iterdir()] == ["4"]


def test_what_a_killed_process_left_is_cleared_up(folder):
    old, new = folder / ".key-old", folder / ".key-new"
    for path in (old, new):
        path.mkdir(parents=True)
    os.utime(old, (0, 0))
    cache.store("key", {})
    assert sorted(p.name for p in folder.iterdir()) == [".key-new", "key.vidcam"]


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "{v}/vidcam/graphs"),
        ("linux", "", "{home}/.cache/vidcam/graphs"),
        ("darwin", "", "{home}/Library/Caches/vidcam/graphs"),
        ("win32", "LOCALAPPDATA", "{v}/vidcam/graphs"),
    ],
)
def test_the_place_is_the_platforms_own(monkeypatch, tmp_path, platform, variable, expected):
    for name in ("VIDCAM_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "v"))
    assert str(cache.folder()) == expected.format(v=tmp_path / "v", home=tmp_path / "home")
