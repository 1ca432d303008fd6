"""Which of a model's layers have positions, and which of them attention makes the one to explain.

A network without attention has its rows and columns where a convolution leaves them. One with it is traced once more,
every size known, and its axes are followed (`layouts`): only so is a line of patches told from heads by tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vidcam.cam.build.layouts import Layouts, follow
from vidcam.cam.build.positions import EXTRA, PatchGrid, Positions, attends, no_such_grid, positions
from vidcam.cam.build.trace import Call, ancestors

TURNING = ("Transpose", "Einsum", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Roll")
"""Operations without which rows and columns stay where a convolution leaves them."""


@dataclass(frozen=True, slots=True)
class Places:
    """What was found of a model's calls, in their order.

    Attributes:
        positions: of each call's output; None where it is no map.
        preferred: the number of the call that attention makes the one to explain; None where it has no say.
        reason: why that one.
    """

    positions: tuple[Positions | None, ...]
    preferred: int | None = None
    reason: str = ""


def keeps_places(calls: Sequence[Call], logits: Any) -> bool:
    """Tells whether rows and columns stay where a convolution leaves them: every tensor of four axes is a map then.

    Args:
        calls: what `record` noted.
        logits: the model's logits.
    """
    ranks = {len(c.output.shape) for c in calls if hasattr(c.output, "op")}
    turned = any(op.type in TURNING for op in logits.graph.get_operations())
    return not turned and not ranks & {3, 5}


def find_places(images: Any, calls: Sequence[Call], logits: Any, grid: PatchGrid | None = None) -> Places:
    """Finds the layers with positions in a graph that was traced with every size known.

    Args:
        images: the symbolic pictures or clips that the model takes.
        calls: what `record` noted.
        logits: the model's logits.
        grid: rows and columns of the patches, where they are told.

    Returns:
        The places.

    Raises:
        UsageError: no layer has as many tokens as the grid that was told.
    """
    found = follow(images, grid)
    places = [positions(found.get(c.output.ref())) if hasattr(c.output, "op") else None for c in calls]
    if grid is not None:
        places = _told(calls, places, grid)
    preferred, reason = _preferred(calls, places, found, logits)
    return Places(tuple(places), preferred, reason)


def _told(calls: Sequence[Call], places: Sequence[Positions | None], grid: PatchGrid) -> list[Positions | None]:
    """Takes each line of as many tokens as the grid has places, or a few more before them, as the grid."""
    count, told, lines = math.prod(grid), list(places), set()
    for i, (call, place) in enumerate(zip(calls, places, strict=True)):
        if not hasattr(call.output, "op") or len(call.output.shape) != 3:
            continue
        tokens = int(call.output.shape[1])
        lines.add(tokens)
        if place is not None and place.before is not None and math.prod(place.grid) == count:
            told[i] = Positions(grid, place.before)
        elif place is None and count <= tokens <= count + EXTRA:
            told[i] = Positions(grid, tokens - count)
    if not any(p is not None and p.before is not None and p.grid == grid for p in told):
        raise no_such_grid(grid, lines)
    return told


def _preferred(
    calls: Sequence[Call], places: Sequence[Positions | None], found: Layouts, logits: Any
) -> tuple[int | None, str]:
    """Chooses as the literature does: before the last attention that sees all, behind the last one in windows.

    What comes after the last attention has patches that a class token no longer sees: their gradient is 0. Where
    attention stays inside of windows there is no class token, and what comes before is full of background.
    """
    behind = ancestors(logits)
    attention = [t for op in logits.graph.get_operations() for t in op.outputs if t.ref() in behind]
    seen = [(t, how) for t in attention if (how := attends(found.get(t.ref())))]
    named = [c.output for c in calls if "attention" in type(c.layer).__name__.lower() and hasattr(c.output, "op")]
    if not seen and not named:
        return None, ""
    last = seen[-1][0] if seen else named[-1]
    reached = {last.ref()}
    for op in logits.graph.get_operations():  # in the order in which they compute
        if any(x.ref() in reached for x in op.inputs):
            reached.update(t.ref() for t in op.outputs)
    after = [i for i, c in enumerate(calls) if hasattr(c.output, "op") and c.output.ref() in reached]
    if any(places[i] is not None and _looks_around(calls[i].layer) for i in after):
        return None, ""  # convolutions have the last word
    norms = [i for i, c in enumerate(calls) if places[i] is not None and "Norm" in type(c.layer).__name__]
    if any(how == "windows" for _, how in seen):
        behind_it = [i for i in norms if i in after]
        if behind_it:
            return behind_it[-2:][0], "the normalisation behind the last attention, which is in windows"
        return None, ""
    before = ancestors(last)
    read = [i for i in norms if calls[i].output.ref() in before]
    return (read[-1], "the normalisation before the last attention") if read else (None, "")


def _looks_around(layer: Any) -> bool:
    """Tells whether a layer is a convolution over more than one place."""
    kernels = [tuple(w.shape) for w in getattr(layer, "weights", []) if len(w.shape) in (4, 5)]
    return "Conv" in type(layer).__name__ and any(max(k[:-2]) > 1 for k in kernels)
