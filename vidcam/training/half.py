"""Model files whose weights are 16-bit numbers: half the size, loaded by Keras as any other."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from vidcam._files import written

WEIGHTS = "model.weights.h5"


def round_weights(model: Any) -> None:
    """Rounds a model's weights to float16's precision, so that what is measured is what the file will hold."""
    model.set_weights([w.astype(np.float16).astype(w.dtype) for w in model.get_weights()])


def halve(path: Path) -> None:
    """Rewrites a `.keras` file with its weights as float16; Keras casts them back to float32 when it loads them.

    Args:
        path: the file; the old or the new one is there at any moment.
    """
    import h5py

    with (
        written(path) as temporary,
        zipfile.ZipFile(path) as old,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename == WEIGHTS:
                target = io.BytesIO()
                with h5py.File(io.BytesIO(data), "r") as source, h5py.File(target, "w") as copy:
                    _copy(source, copy)
                data = target.getvalue()
            new.writestr(entry.filename, data)


def _copy(source: Any, target: Any) -> None:
    import h5py

    for name, value in source.attrs.items():
        target.attrs[name] = value
    for name, item in source.items():
        if isinstance(item, h5py.Group):
            _copy(item, target.create_group(name))
        else:
            values = item[()]
            target.create_dataset(name, data=values.astype(np.float16) if values.dtype == np.float32 else values)
