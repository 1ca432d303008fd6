"""What was measured of maps: a table to read, CSV to compute with, a plot. The figures come from `vidcam.metrics`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vidcam._files import write_text
from vidcam.report.figures import saved

Rows = Sequence[Mapping[str, Any]]
FIGURE_COLUMNS: dict[str, tuple[str, str, int]] = {
    "pointing": ("pointing", "up", 3),
    "energy": ("energy", "up", 3),
    "box": ("box", "", 3),
    "insertion": ("insertion", "up", 3),
    "deletion": ("deletion", "down", 3),
    "road": ("ROAD", "up", 3),
    "drop": ("drop", "down", 3),
    "increase": ("increase", "up", 3),
    "untrained": ("untrained", "down", 3),
    "emprt": ("eMPRT", "up", 3),
    "E": ("E", "down", 4),
    "lag": ("lag, s", "down", 3),
    "flicker": ("flicker", "down", 3),
    "flicker_shown": ("flicker shown", "down", 3),
    "switches": ("switches", "down", 0),
    "ms": ("ms", "down", 1),
}
"""Figure -> heading, which way is better, decimals; in the order of the table. The box's share of the picture is no
figure of a map: it is what energy has to be above."""

FEW = 4
"""Columns of a text table up to which there is room for standard errors."""


def table(summary: Rows, *, markdown: bool = False) -> str:
    """Returns a text table: a line for each method, a column for each figure that any of them has.

    Args:
        summary: what `vidcam.metrics.faithfulness.summarize` returns, or rows of clips.
        markdown: in Markdown, with arrows for which way is better.
    """
    shown = [name for name in FIGURE_COLUMNS if any(name in row for row in summary)]
    errors = markdown or len(shown) <= FEW
    arrows = {"up": " ↑", "down": " ↓", "": ""} if markdown else dict.fromkeys(("up", "down", ""), "")
    lines = [["method", *(FIGURE_COLUMNS[n][0] + arrows[FIGURE_COLUMNS[n][1]] for n in shown)]]
    for row in summary:
        cells = [_cell(row, n, errors=errors) if n in row else ("" if markdown else "-") for n in shown]
        lines.append([str(row["method"]), *cells])
    if markdown:
        rule = ["---", *["---:"] * len(shown)]
        return "\n".join("| " + " | ".join(line) + " |" for line in (lines[0], rule, *lines[1:]))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    )


def _cell(row: Mapping[str, Any], name: str, *, errors: bool) -> str:
    """Returns a figure, with its standard error where it is known and wanted."""
    decimals, error = FIGURE_COLUMNS[name][2], row.get(f"{name}_error")
    return f"{row[name]:.{decimals}f}" + (f" ± {error:.{decimals}f}" if errors and error is not None else "")


def on_the_thing(summary: Rows, pictures: int) -> str:
    """Says how much of the heat lies on the thing, beside what needs no look at it.

    Args:
        summary: what `vidcam.metrics.faithfulness.summarize` returns, of pictures of which all say where the thing is.
        pictures: how many.
    """

    def share(row: Mapping[str, Any], name: str) -> str:
        error = row.get(f"{name}_error")
        return f"{100 * row[name]:.1f}{'' if error is None else f' ± {100 * error:.1f}'} %"

    first, centre = summary[0], next(row for row in summary if row["method"] == "centre")
    return (
        f"heat on the thing: {share(first, 'energy')} (it covers {share(first, 'box')} of the picture; a map of the "
        f"centre has {share(centre, 'energy')} there), over {pictures} pictures"
    )


def write_csv(rows: Rows, file: Path) -> None:
    """Writes rows as CSV, a column for each key that any of them has; the file appears only when complete."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    write_text(file, text.getvalue())


def plot(summary: Rows, file: Path, title: str) -> None:
    """Draws a bar for each method and figure, with standard errors where they are known; controls are grey.

    Args:
        summary: what `table` takes.
        file: the PNG.
        title: what stands above all.
    """
    from vidcam.metrics.controls import CONTROLS

    shown = [name for name in FIGURE_COLUMNS if name not in ("ms", "box") and any(name in row for row in summary)]
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    with saved(file, size=(3.0 * columns + 1, (0.25 * len(summary) + 0.9) * rows + 0.4)) as figure:
        figure.suptitle(title, fontsize=11)
        for i, name in enumerate(shown, 1):
            axes = figure.add_subplot(rows, columns, i)
            there = [row for row in summary if name in row]
            colors = ["0.65" if row["method"] in CONTROLS else "tab:blue" for row in there]
            errors = [row.get(f"{name}_error", 0.0) for row in there]
            at = range(len(there))
            axes.barh(at, [row[name] for row in there], xerr=errors, color=colors, error_kw={"elinewidth": 1})
            axes.set_yticks(at, [row["method"] for row in there], fontsize=8)
            axes.invert_yaxis()
            heading, better, _ = FIGURE_COLUMNS[name]
            axes.set_title(f"{heading} ({'higher' if better == 'up' else 'lower'} is better)", fontsize=9)
            axes.tick_params(axis="x", labelsize=8)
            axes.grid(axis="x", alpha=0.3)
