"""The file that lets a killed training go on: one `.npz`, replaced whole after every epoch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vidcam._files import written
from vidcam.errors import UsageError, VidcamError
from vidcam.types import Array


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a training has come.

    Attributes:
        phase: the phase's name.
        epoch: the epochs of the phase that are done.
        history: a row for every epoch, of this phase and those before.
        best: the best epoch's weights.
        best_epoch: that epoch, from 1, or 0; see `vidcam.training.loop.PhaseState`.
        best_loss: its validation loss.
        variables: everything that changes from step to step, of the network and the optimizer.
        extra: what the caller had stored with it.
    """

    phase: str
    epoch: int
    history: list[dict[str, Any]]
    best: list[Array]
    best_epoch: int
    best_loss: float
    variables: list[Array] = field(default_factory=list)
    extra: Mapping[str, Array] = field(default_factory=dict)


def write(
    file: Path,
    state: Checkpoint,
    variables: Sequence[Any],
    fingerprint: Mapping[str, Any],
    extra: Mapping[str, Array],
) -> None:
    """Writes a checkpoint; the file of that name is the old or the new one at any moment.

    Args:
        file: the file.
        state: the progress; its `variables` and `extra` are not read.
        variables: the variables to store.
        fingerprint: what a run that goes on from it has to share.
        extra: further arrays to store.
    """
    head = {
        "phase": state.phase,
        "epoch": state.epoch,
        "history": state.history,
        "best_epoch": state.best_epoch,
        "best_loss": state.best_loss,
        "fingerprint": dict(fingerprint),
    }
    arrays: dict[str, Any] = {
        "head": np.array(json.dumps(head)),
        **{f"variable_{i}": np.array(v) for i, v in enumerate(variables)},
        **{f"best_{i}": w for i, w in enumerate(state.best)},
        **{f"extra_{name}": a for name, a in extra.items()},
    }
    with written(file) as temporary, temporary.open("wb") as out:
        np.savez(out, **arrays)


def read(file: Path, fingerprint: Mapping[str, Any]) -> Checkpoint | None:
    """Reads a checkpoint.

    Args:
        file: the file.
        fingerprint: this run's; see `write`.

    Returns:
        The checkpoint, None where there is no file.

    Raises:
        UsageError: it is of a run with other options or data.
        VidcamError: it cannot be read.
    """
    if not file.exists():
        return None
    try:
        with np.load(file, allow_pickle=False) as data:
            head = json.loads(str(data["head"]))
            arrays = {name: data[name] for name in data.files if name != "head"}
    except Exception as error:
        raise VidcamError(f"{file}: a damaged checkpoint ({error}); remove it to start again") from error
    theirs = head["fingerprint"]
    differ = sorted(k for k in {*theirs, *fingerprint} if theirs.get(k) != json.loads(json.dumps(fingerprint.get(k))))
    if differ:
        raise UsageError(
            f"--resume: {file} is of a run with another {', '.join(differ)} "
            f"({', '.join(str(theirs.get(k)) for k in differ)}); give the same or remove it"
        )
    return Checkpoint(
        phase=head["phase"],
        epoch=head["epoch"],
        history=head["history"],
        best=_numbered(arrays, "best_"),
        best_epoch=head["best_epoch"],
        best_loss=head["best_loss"],
        variables=_numbered(arrays, "variable_"),
        extra={name.removeprefix("extra_"): a for name, a in arrays.items() if name.startswith("extra_")},
    )


def restore(state: Checkpoint, variables: Sequence[Any]) -> None:
    """Assigns a checkpoint's variables, in the order they were written in."""
    for variable, value in zip(variables, state.variables, strict=True):
        variable.assign(value)


def _numbered(arrays: Mapping[str, Array], prefix: str) -> list[Array]:
    count = sum(name.startswith(prefix) for name in arrays)
    return [arrays[f"{prefix}{i}"] for i in range(count)]
