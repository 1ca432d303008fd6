"""Long clips among the jobs: their parts as jobs of their own, and which of them can be done when.

What a step of a part is, `vidcam.pipeline.parts` knows. A part's file that is there is done; so a batch that was killed
does what is missing.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidcam._files import make_folder, write_text
from vidcam.batch.plan import Job
from vidcam.batch.records import Record
from vidcam.pipeline.film import Film

JOIN = "join"


@dataclass(frozen=True, slots=True)
class Piece:
    """A step of a part of a long clip; complete in itself.

    Attributes:
        film: the clip in parts.
        step: one of the film's, or `join`, which puts the parts together.
        part: its number.
        job: the batch's job that it belongs to; None where there is no batch, and nobody is to join.
    """

    film: Film
    step: str
    part: int
    job: Job | None

    @property
    def name(self) -> str:
        """What to call it while it is in the works."""
        name = self.film.source.name if self.job is None else self.job.name
        return name if self.step == JOIN else f"{name}, part {self.part + 1} of {len(self.film.parts)}"


Work = Job | Piece
Outcome = Record | Film | None
"""What comes of work: a record of a file; a clip that is to be done in parts; nothing but a part's files."""


@dataclass(slots=True)
class _Open:
    """A clip in the works: the steps of parts that are not done, and those that nobody was handed yet."""

    film: Film
    job: Job | None
    undone: set[tuple[str, int]]
    waiting: list[tuple[str, int]]


class Films:
    """The long clips in the works.

    Attributes:
        done: steps of parts that are done.
        total: steps of parts there are in all.
    """

    def __init__(self) -> None:
        self._open: dict[Path, _Open] = {}
        self.done = 0
        self.total = 0

    def begin(self, film: Film, job: Job | None = None) -> list[Piece]:
        """Returns the first pieces of a clip; what is there already is not among them."""
        steps = [(step, part) for step in film.steps for part in range(len(film.parts))]
        missing = [(step, part) for step, part in steps if not film.file(step, part).exists()]
        self._open[film.folder] = state = _Open(film, job, set(missing), missing)
        self.total += len(steps)
        self.done += len(steps) - len(missing)
        return self._ready(state)

    def follow(self, work: Work, outcome: Outcome) -> list[Piece]:
        """Returns what can be done now that some work is done."""
        if isinstance(work, Job):
            return self.begin(outcome, work) if isinstance(outcome, Film) else []
        state = self._open.get(work.film.folder)
        if state is None:
            return []
        if isinstance(outcome, Record):  # joined, or failed: what is left of it need not be done
            del self._open[work.film.folder]
            return []
        self.done += 1
        state.undone.discard((work.step, work.part))
        return self._ready(state)

    def wanted(self, work: Work) -> bool:
        """Tells whether work is still to be done; the clip of a piece may have failed."""
        return isinstance(work, Job) or work.film.folder in self._open

    def leads_on(self, work: Work) -> bool:
        """Tells whether more work may come of some."""
        return work.settings.in_parts if isinstance(work, Job) else work.step != JOIN

    def _ready(self, state: _Open) -> list[Piece]:
        """Returns the pieces that nothing stands in the way of any more."""
        film = state.film
        if not state.undone:
            return [] if state.job is None else [Piece(film, JOIN, 0, state.job)]
        ready = [one for one in state.waiting if not state.undone.intersection(film.needs(*one))]
        state.waiting = [one for one in state.waiting if one not in ready]
        return [Piece(film, step, part, state.job) for step, part in ready]


def open_folder(film: Film, made: Mapping[str, Any]) -> None:
    """Makes a clip's working folder, or goes on in one that was left by the same work.

    Args:
        film: the clip.
        made: what its parts depend on, plain JSON.

    Raises:
        VidcamError: it cannot be made.
    """
    plan = json.dumps({"made": made, "points": [str(point) for point in film.points]}, sort_keys=True)
    file = film.folder / "plan.json"
    with contextlib.suppress(OSError):
        if file.read_text("utf-8") == plan:
            return
    close_folder(film)
    make_folder(film.folder)
    write_text(file, plan)


def close_folder(film: Film) -> None:
    """Removes a clip's working folder."""
    shutil.rmtree(film.folder, ignore_errors=True)
