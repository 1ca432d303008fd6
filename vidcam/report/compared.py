"""What the page of a clip shows of several models: each one's curves and figures, and when they disagree."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from vidcam.metrics.agreement import Comparison, Pair

COLOURS = 8
"""Of curves; the last, grey, is also that of a class for none of the others."""


def together(pages: Sequence[Mapping[str, Any]], comparison: Comparison) -> dict[str, Any]:
    """Returns the data of one page for what several models' own pages would show.

    Args:
        pages: the data of each; of its curves as many are shown as there are colours for.
        comparison: of the models on these frames.
    """
    names, room = comparison.names, COLOURS // len(pages)
    named = list(zip(names, pages, strict=True))
    return {
        **pages[0],
        "about": f"{', '.join(names[:-1])} and {names[-1]} · {pages[0]['method']}",
        "curves": [[f"{name}: {title}", curve] for name, page in named for title, curve in page["curves"][:room]],
        "explained": [
            [[f"{name}: {n}", count] for n, count in own] for name, page in named for own in page["explained"]
        ],
        "neither": [f"{name}: {n}" for name, page in named for n in page["neither"]],
        "figures": _merged(names, [dict(page["figures"]) for page in pages]) + _figures(comparison),
        "how": _merged(names, [dict(page["how"]) for page in pages]),
        "stretches": _stretches(comparison),
    }


def _merged(names: Sequence[str], tables: Sequence[Mapping[str, str]]) -> list[list[str]]:
    """Returns what is the same for all models, or pairs, once, and of the rest a line for each."""
    merged = []
    for key in dict.fromkeys(key for table in tables for key in table):
        values = [table.get(key) for table in tables]
        said = [f"{name}: {value}" for name, value in zip(names, values, strict=True) if value is not None]
        merged.append([key, str(values[0]) if len(set(values)) == 1 else "\n".join(said)])
    return merged


def _figures(comparison: Comparison) -> list[list[str]]:
    still = len(comparison) == 1
    pairs = [f"{comparison.names[pair.first]} and {comparison.names[pair.second]}" for pair in comparison.pairs]
    rows = _merged(pairs, [_of_pair(comparison, pair, still) for pair in comparison.pairs])
    if still or not math.isfinite(comparison.disagreement):
        return rows
    return [*rows, ["frames in which they disagree", f"{100 * comparison.disagreement:.1f} %"]]


def _of_pair(comparison: Comparison, pair: Pair, still: bool) -> dict[str, str]:
    def share(value: float) -> str:
        return ("yes" if value else "no") if still else f"{100 * value:.1f} %"

    where = math.isfinite(pair.mean_correlation)
    return {
        "the same class": comparison.unlike(pair) if pair.same is None else share(pair.agreement),
        "rank correlation of the maps": f"{pair.mean_correlation:.2f}" if where else "no heat of both",
        **({"hottest points more than a fifth apart": share(pair.far_share)} if where else {}),
    }


def _stretches(comparison: Comparison) -> list[list[Any]]:
    """Returns of each stretch its first frame, the first after it, and what is to be said of it, in order of time."""
    several = len(comparison.pairs) > 1
    found = sorted(comparison.stretches(), key=lambda stretch: stretch.begin) if len(comparison) > 1 else []
    return [
        [
            stretch.begin,
            stretch.stop,
            (f"{comparison.names[stretch.first]} and {comparison.names[stretch.second]}: " if several else "")
            + stretch.why(),
        ]
        for stretch in found
    ]
