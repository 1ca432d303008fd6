"""Records: whole or not there, readable only where they are understood; one batch at a time in a folder."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from vidcam.batch.fingerprint import FileState, file_state
from vidcam.batch.records import Record, Store, Unreadable
from vidcam.errors import VidcamError

RECORD = Record("sub/é.mov", "/x/é.mov", "done", {"options": {"width": 3}}, FileState(1, 2, 3, "ab"), "sub/é.mov.gif",
                bytes=7, owned=("sub/é.mov.gif",), notes=("one",), numbers={"frames": 2})  # fmt: skip


@pytest.fixture
def store(tmp_path) -> Store:
    store = Store(tmp_path / "out")
    store.prepare()
    return store


def test_a_record_comes_back_as_it_was(store):
    assert store.read(RECORD.name) is None
    store.write(RECORD)
    assert store.read(RECORD.name) == RECORD
    other = Record("b\udcff.mp4", "/x/b\udcff.mp4", "failed", error="no")
    store.write(other)
    assert store.all() == [other, RECORD]
    assert not list(store.outdir.rglob("*.part"))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_a_record_that_was_cut_off_is_known_as_damaged(store, share):
    store.write(RECORD)
    file = store.file("records", RECORD.name, ".json")
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    with pytest.raises(Unreadable, match="damaged"):
        store.read(RECORD.name)
    assert store.all() == []


@pytest.mark.parametrize("text", ["[]", "3", '{"version": 1}', '{"version": 1, "name": "a", "more": 1}', "\0\0"])
def test_a_record_that_is_something_else_is_known_as_damaged(store, text):
    store.file("records", "a", ".json").write_text(text)
    with pytest.raises(Unreadable, match="damaged"):
        store.read("a")


def test_a_record_of_another_version_is_not_guessed_at(store):
    store.write(RECORD)
    file = store.file("records", RECORD.name, ".json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "version": 99}))
    with pytest.raises(Unreadable, match="another version of vidcam .99."):
        store.read(RECORD.name)


HOLD = """
import sys, time
from pathlib import Path
from vidcam.batch.records import Store
with Store(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_batches_do_not_share_a_folder_and_a_killed_one_blocks_nobody(store):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, store.outdir], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(VidcamError, match=f"another batch writes to it .process {holder.pid} "), store.locked():
            pass
    finally:
        holder.kill()
        holder.communicate()
    with store.locked():
        pass


def test_content_is_told_by_what_is_in_a_file(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"one")
    one = file_state(file)
    assert one.untouched(file)
    file.write_bytes(b"two")
    assert not one.untouched(file)
    assert file_state(file).sha256 != one.sha256
    file.write_bytes(b"one")
    assert file_state(file).sha256 == one.sha256
    file.unlink()
    assert not one.untouched(file)
    for path, said in ((file, "no such file"), (tmp_path, "is no file")):
        with pytest.raises(VidcamError, match=said):
            file_state(path)
