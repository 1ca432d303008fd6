"""Figures with matplotlib, drawn without a window and written whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vidcam._files import written
from vidcam.render.letters import writable


@contextmanager
def saved(file: Path, size: tuple[float, float], dpi: int = 110) -> Iterator[Any]:
    """Gives a figure to draw into and writes it as PNG; the file appears only when complete.

    Args:
        file: the PNG.
        size: (width, height) in inches.
        dpi: pixels an inch.

    Yields:
        A `matplotlib.figure.Figure`, free of pyplot's global state.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    yield figure
    with written(file) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi)


def plottable(text: str) -> str:
    """Returns a name that files or labels gave as matplotlib writes it: in its own font, and no formula."""
    return writable(text, system=False).replace("$", r"\$")
