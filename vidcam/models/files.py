"""What a model file or folder is, told by its content; and the one to load inside a folder or an archive.

Nothing is built here and no code of a file runs: a few bytes and the names inside archives are looked at.
"""

from __future__ import annotations

import json
import struct
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from vidcam.errors import VidcamError
from vidcam.models.archive import check_members

FileKind = Literal["keras", "onnx", "tflite", "saved_model", "frozen", "ir"]
TITLES: dict[FileKind, str] = {
    "keras": "Keras",
    "onnx": "ONNX",
    "tflite": "TFLite",
    "saved_model": "SavedModel",
    "frozen": "TensorFlow graph",
    "ir": "OpenVINO IR",
}
TEACHABLE_FILES = ("keras_model.h5", "model_unquant.tflite", "model.tflite", "model.savedmodel")
"""The names that Teachable Machine gives to what it exports, beside a labels.txt."""
LABELS = "labels.txt"
READABLE = "vidcam reads Keras, ONNX, TFLite, SavedModel, frozen TensorFlow graphs and OpenVINO IR"
TORCH = (
    "holds PyTorch's weights, not a network that can be computed without its code; where it was made, write "
    "torch.onnx.export(model.eval(), torch.zeros(1, 3, 224, 224), 'model.onnx', dynamo=False) and give model.onnx"
)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file that was found.

    Attributes:
        kind: what reads it.
        path: the file, or a SavedModel's folder.
        named: what the user named: the same, or the folder or archive that it was found in.
        labels: Teachable Machine's file of class names beside it.
        keeper: keeps a folder that an archive was unpacked to; it goes when this does.
    """

    kind: FileKind
    path: Path
    named: Path
    labels: Path | None = None
    keeper: Any = field(default=None, repr=False, compare=False)

    @property
    def teachable(self) -> bool:
        """Whether Teachable Machine exported it."""
        return self.labels is not None


def find_model(path: Path) -> ModelFile:
    """Tells what a model file is.

    Args:
        path: a file, a folder or a zip archive.

    Returns:
        The file to load.

    Raises:
        VidcamError: there is none, or it is nothing that vidcam reads; the message says what to do.
    """
    if path.is_dir():
        return _in_folder(path, path)
    if not path.is_file():
        raise VidcamError(f"{path}: no such file")
    try:
        with path.open("rb") as stream:
            head = stream.read(64)
    except OSError as error:
        raise VidcamError(f"{path}: cannot be read ({error.strerror})") from error
    if not head:
        raise VidcamError(f"{path}: the file is empty; it is damaged")
    if head[:2] == b"PK" and zipfile.is_zipfile(path):
        return _in_archive(path)
    return ModelFile(_kind(path, head), _whole(path), path, _labels_beside(path))


def _kind(path: Path, head: bytes) -> FileKind:
    suffix = path.suffix.lower()
    if head[:4] == b"\x89HDF" or suffix in (".h5", ".hdf5", ".keras"):
        return "keras"
    if head[4:8] == b"TFL3" or suffix == ".tflite":
        return "tflite"
    if head.lstrip().startswith((b"<?xml", b"<net")):
        return "ir"
    if head[:1] == b"\x80" or _is_safetensors(head) or suffix in (".pt", ".pth", ".safetensors"):
        raise VidcamError(f"{path}: {TORCH}")
    if head.lstrip().startswith(b"{"):
        raise VidcamError(
            f"{path}: a JSON file; {READABLE}. TensorFlow.js models cannot be read: export the model as Keras or "
            "TFLite (Teachable Machine offers both)"
        )
    if suffix == ".onnx":
        return "onnx"
    if suffix == ".pb":
        return "saved_model" if path.name == "saved_model.pb" else "frozen"
    raise VidcamError(f"{path}: is no model file that is known; {READABLE}")


def _whole(path: Path) -> Path:
    """Returns what is loaded for a file: a SavedModel is its folder."""
    return path.parent if path.name == "saved_model.pb" else path


def _is_safetensors(head: bytes) -> bool:
    return len(head) > 9 and struct.unpack("<Q", head[:8])[0] < 2**32 and head[8:9] == b"{"


def _labels_beside(path: Path) -> Path | None:
    """Returns the class names of a file that carries one of Teachable Machine's names, None for any other."""
    beside = path.parent / LABELS
    return beside if path.name in TEACHABLE_FILES and beside.is_file() and _is_numbered(beside) else None


def _is_numbered(labels: Path) -> bool:
    try:
        with labels.open(encoding="utf-8-sig") as stream:
            return stream.readline().startswith("0 ")
    except (OSError, UnicodeDecodeError):
        return False


def _in_folder(folder: Path, named: Path, keeper: Any = None) -> ModelFile:
    if (folder / "saved_model.pb").is_file():
        return ModelFile("saved_model", folder, named, _labels_beside(folder), keeper)
    candidates = [folder / name for name in TEACHABLE_FILES if (folder / name).exists()]
    if not candidates:
        candidates = sorted(
            p for p in (*folder.iterdir(), *folder.glob("onnx/*.onnx"))
            if p.suffix.lower() in (".keras", ".h5", ".hdf5", ".onnx", ".tflite", ".pb", ".xml", ".pt", ".pth",
                                    ".safetensors")
        )  # fmt: skip
        readable = [p for p in candidates if p.suffix.lower() not in (".pt", ".pth", ".safetensors")]
        candidates = readable or candidates
    if not candidates:
        raise VidcamError(f"{named}: is a folder without a model file in it; {READABLE}")
    if len(candidates) > 1 and not any(_labels_beside(c) for c in candidates):
        names = ", ".join(str(c.relative_to(folder)) for c in candidates[:6])
        raise VidcamError(f"{named}: holds several model files ({names}); name one of them")
    chosen = candidates[0]
    if chosen.is_dir():
        found = _in_folder(chosen, named, keeper)
        return ModelFile(found.kind, found.path, named, _labels_beside(chosen), keeper)
    found = find_model(chosen)
    return ModelFile(found.kind, found.path, named, found.labels, keeper or found.keeper)


def _in_archive(path: Path) -> ModelFile:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [PurePosixPath(name) for name in archive.namelist()]
            if PurePosixPath("config.json") in names or path.suffix.lower() == ".keras":
                return ModelFile("keras", path, path)
            if any(name.name in ("data.pkl", "constants.pkl") for name in names):
                raise VidcamError(f"{path}: {TORCH}")
            roots = _roots(names)
            if not roots:
                raise VidcamError(f"{path}: a zip archive without a model file in it; {READABLE}")
            check_members(path, archive)
            folder = tempfile.TemporaryDirectory(prefix="vidcam-model-", ignore_cleanup_errors=True)
            keeper = _Keeper(folder)
            archive.extractall(folder.name)
    except VidcamError:
        raise
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, ValueError) as error:
        raise VidcamError(f"{path}: the archive is damaged ({error})") from error
    return _in_folder(Path(folder.name) / roots[0], path, keeper)


class _Keeper:
    """Removes an unpacked archive's folder when nothing refers to it any more."""

    def __init__(self, folder: tempfile.TemporaryDirectory[str]) -> None:
        self.path = folder.name
        weakref.finalize(self, folder.cleanup)


def _roots(names: Sequence[PurePosixPath]) -> list[PurePosixPath]:
    """Returns the folders inside an archive that hold a model file, the topmost first."""
    found = {
        name.parent.parent if name.name == "saved_model.pb" and name.parent.suffix == ".savedmodel" else name.parent
        for name in names
        if name.name == "saved_model.pb" or name.suffix.lower() in (".h5", ".tflite", ".onnx", ".keras")
    }
    return sorted(found, key=lambda folder: (len(folder.parts), str(folder)))


def card_beside(path: Path, name: str) -> dict[str, Any]:
    """Returns a JSON object from a file beside a model, empty where there is none that can be read."""
    try:
        value = json.loads((path.parent / name).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
