"""What a batch remembers: a record for each input, a file each, in a folder of the output folder.

A record is replaced whole, before an input is worked on and after its output has its name. Whatever moment the batch is
killed at, the records say what is done, and nothing else has to be kept in step.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from vidcam._files import make_folder, written
from vidcam.batch.fingerprint import FileState
from vidcam.errors import VidcamError

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

VERSION = 1
FOLDER = ".vidcam"
JobState = Literal["started", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Record:
    """What is known about an input and its output.

    Attributes:
        name: the input's name.
        source: the input's absolute path.
        state: `started`, `done` or `failed`.
        made: what the output depends on besides the input: options and model, see `vidcam.batch.plan`.
        content: the input as it was read; None where it could not be.
        output: path of the output, relative to the output folder, POSIX; "" where there is none.
        bytes: size of the output.
        owned: outputs that are this input's by their names, also those of runs that were killed.
        poster: a still of the output, as `output`.
        page: the page of the clip, as `output`.
        error: why it failed, in one line.
        lasting: it will fail again as long as input, model and options are the same.
        damaged: frames of the input that could not be read.
        notes: one-line things to tell the user.
        numbers: see `vidcam.batch.numbers.Numbers`, as plain JSON.
    """

    name: str
    source: str
    state: JobState
    made: dict[str, Any] = field(default_factory=dict)
    content: FileState | None = None
    output: str = ""
    bytes: int = 0
    owned: tuple[str, ...] = ()
    poster: str = ""
    page: str = ""
    error: str = ""
    lasting: bool = False
    damaged: int = 0
    notes: tuple[str, ...] = ()
    numbers: dict[str, Any] = field(default_factory=dict)


class Unreadable(VidcamError):  # noqa: N818 - what it is about stands in the message
    """A record that cannot be used."""


class Store:
    """The records of an output folder.

    Args:
        outdir: the output folder; it and what is needed in it are made when something is written.
    """

    def __init__(self, outdir: Path) -> None:
        self.outdir = outdir
        self._folder = outdir / FOLDER

    def file(self, kind: str, name: str, suffix: str) -> Path:
        """Returns where something about an input is kept."""
        key = hashlib.sha256(os.fsencode(name)).hexdigest()[:24]
        return self._folder / kind / f"{key}{suffix}"

    def prepare(self) -> None:
        """Makes the folders.

        Raises:
            VidcamError: they cannot be made.
        """
        for kind in ("records", "predictions", "posters"):
            make_folder(self._folder / kind)

    def read(self, name: str) -> Record | None:
        """Returns an input's record, None where there is none.

        Raises:
            Unreadable: it is damaged, or of another version.
        """
        return _read(self.file("records", name, ".json"))

    def write(self, record: Record) -> None:
        """Keeps a record in the place of the one before.

        Raises:
            VidcamError: it cannot be written.
        """
        text = json.dumps({"version": VERSION, **asdict(record)}, indent=1)
        replace(self.file("records", record.name, ".json"), text.encode())

    def all(self) -> list[Record]:
        """Returns the records that can be read, by name."""
        records = []
        for file in self._folder.glob("records/*.json"):
            with contextlib.suppress(Unreadable):
                record = _read(file)
                if record is not None:
                    records.append(record)
        return sorted(records, key=lambda r: r.name)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other batches from the output folder inside the block.

        The lock ends with the process that holds it, however that ends.

        Raises:
            VidcamError: another batch holds it.
        """
        with (self._folder / "lock").open("a+") as file:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    file.seek(0)
                    who = file.read(200).strip() or "another process"
                    raise VidcamError(
                        f"{self.outdir}: another batch writes to it ({who}); wait for it, or give another -o"
                    ) from None
                except OSError:  # a file system without locks
                    pass
            file.truncate(0)
            file.write(f"process {os.getpid()} on {os.uname().nodename}" if hasattr(os, "uname") else "")
            file.flush()
            yield


def replace(path: Path, data: bytes) -> None:
    """Writes a whole file in the place of the one before; nobody sees it half-written.

    Raises:
        VidcamError: it cannot be written.
    """
    with written(path) as temporary:
        temporary.write_bytes(data)


def _read(file: Path) -> Record | None:
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"its record cannot be read: {error.strerror}") from None
    try:
        data = json.loads(text)
        version = data.pop("version")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise Unreadable("its record is damaged") from None
    if version != VERSION:
        raise Unreadable(f"its record is of another version of vidcam ({version!r})")
    try:
        kept = data["content"]
        data |= {name: tuple(data[name]) for name in ("owned", "notes")}
        data["content"] = None if kept is None else FileState(**kept)
        return Record(**data)
    except (KeyError, TypeError):
        raise Unreadable("its record is damaged") from None
