"""What a run shows of itself while it works in a notebook; elsewhere callers decide."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidcam.types import Progress


def in_notebook() -> bool:
    """Tells whether a notebook's kernel runs this code."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


@contextmanager
def notebook_bar(progress: Progress | None) -> Iterator[Progress | None]:
    """Gives what is told how far a run is: what was asked for, else a bar in a notebook, else nothing.

    Args:
        progress: what the caller gave; it is called with the frames done and expected.
    """
    if progress is not None or not in_notebook():
        yield progress
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets it is a bar of text
        from tqdm.auto import tqdm
    with tqdm(unit=" frames") as bar:

        def update(done: int, total: int | None) -> None:
            if bar.total != total:
                bar.reset(total)
            bar.update(done - bar.n)

        yield update
