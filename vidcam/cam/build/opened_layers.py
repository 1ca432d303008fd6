"""Which tensors of a network that OpenVINO reads a map can be made from, and which of them it is made from."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vidcam._openvino import ov
from vidcam.cam.build.axes import Layout, transpose
from vidcam.cam.build.nodes import Name, ancestors, name_of, readers_of, sizes_of
from vidcam.cam.build.opened_layouts import TRACED_PICTURES, Layouts, follow
from vidcam.cam.build.positions import EXTRA, PatchGrid, Positions, attends, no_such_grid, positions
from vidcam.errors import UsageError
from vidcam.types import Array

CONVOLUTIONS = ("Convolution", "GroupConvolution")
POOLING = ("MaxPool", "AvgPool")
LAYOUT = ("Transpose", "Convert", "FakeQuantize", "Reshape", "Squeeze", "Unsqueeze")
"""Operations that hand on numbers in another layout or type, or rounded."""
HIDDEN = (*LAYOUT, "Pad", "StridedSlice", "Slice", "Broadcast", "Gather", "Split", "VariadicSplit", "Roll")
"""Operations whose results no user would name as a layer."""
STATISTICS = ("MVN", "ReduceMean")
ARITHMETIC = (
    *("MVN", "ReduceMean", "Add", "Subtract", "Multiply", "Divide", "Power", "Sqrt", "SquaredDifference"),
    *("Negative", "Convert", "FakeQuantize"),
)
"""What a normalisation over channels is made of."""
GENERATED = re.compile(r"[A-Z]\w*_\d+")


def _numbers(*values: int) -> Array:
    return np.array(values, np.int64)


@dataclass(frozen=True, slots=True)
class MapTensor:
    """A tensor that a map can be made from.

    Attributes:
        path: what `--layer` takes.
        kind: the type of the operation that makes it.
        output: the tensor, of rank 3 or 4.
        positions: how it is a map, once its channels are last.
        order: the transposition that puts the channels last; None where they are.
    """

    path: str
    kind: str
    output: Any
    positions: Positions
    order: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels."""
        rows, columns = self.positions.grid
        sizes = sizes_of(self.output)
        return rows, columns, sizes[self.order[-1] if self.order else -1] or 0

    def laid_out(self, tensor: Any) -> Any:
        """Brings the tensor, or one as large, to a map.

        Args:
            tensor: an output of the graph.

        Returns:
            Float32 (B, rows, columns, K).
        """
        ops = ov.opset13
        x = ops.convert(tensor, "f32")
        x = ops.transpose(x, _numbers(*self.order)) if self.order else x
        if self.positions.before is None:
            return x
        rows, columns, channels = self.shape
        start, count = self.positions.before, rows * columns
        if sizes_of(x.output(0))[1] != count:
            x = ops.slice(x, _numbers(start), _numbers(start + count), _numbers(1), _numbers(1))
        return ops.reshape(x, _numbers(-1, rows, columns, channels), False)


@dataclass(frozen=True, slots=True)
class Explainable:
    """What can be explained of a network.

    Attributes:
        layers: in the order of computation.
        preferred: the one that attention makes the one to explain; None where it has no say.
        reason: why that one.
    """

    layers: tuple[MapTensor, ...]
    preferred: MapTensor | None = None
    reason: str = ""


def find_layers(model: Any, images: Any, logits: Any, grid: PatchGrid | None = None) -> Explainable:
    """Finds the tensors that a map can be made from: those with positions and channels that lead to the logits.

    Args:
        model: the network, every size but the batch's known; as it was when the function returns.
        images: its input.
        logits: the tensor of its logits.
        grid: rows and columns of the patches, where they are told.

    Returns:
        The layers from the first convolution on; of a network without one, from the first product with weights on.

    Raises:
        UsageError: no tensor has as many tokens as the grid that was told.
    """
    shape = images.get_partial_shape()
    sides = list(shape)[1:]
    try:
        model.reshape({"images": ov.PartialShape([TRACED_PICTURES if shape[0].is_dynamic else shape[0], *sides])})
    except RuntimeError:  # it takes one picture at a time
        model.reshape({"images": ov.PartialShape([1, *sides])})
    try:
        nodes = model.get_ordered_ops()
        layouts = follow(images.output(0), nodes, grid)
        layers = _layers(nodes, layouts, ancestors(logits), grid)
        ends = _normalisations(nodes, layouts)
        inner = {name for names in ends.values() for name in names}
        outer = tuple(layer for layer in layers if name_of(layer.output) not in inner)
        if grid is not None and not any(x.positions.before is not None and x.positions.grid == grid for x in outer):
            lines = {sizes[1] or 0 for n in nodes for o in n.outputs() if len(sizes := _sizes(o)) == 3}
            raise no_such_grid(grid, lines)
        preferred, reason = _preferred(nodes, layouts, outer, set(ends), ancestors(logits))
    finally:
        model.reshape({"images": shape})
    return Explainable(outer, preferred, reason)


def _sizes(output: Any) -> list[int | None]:
    return [] if output.get_partial_shape().rank.is_dynamic else sizes_of(output)


def _layers(nodes: list[Any], layouts: Layouts, behind: set[str], grid: PatchGrid | None) -> list[MapTensor]:
    found: list[MapTensor] = []
    learned = any(node.get_type_name() in CONVOLUTIONS for node in nodes)
    begins, begun, counts = CONVOLUTIONS if learned else ("MatMul",), False, Counter[str]()
    for node in nodes:
        kind = node.get_type_name()
        if kind in ("Constant", "ShapeOf", "Result"):
            continue
        counts[kind] += 1
        begun = begun or kind in begins
        for output in node.outputs():
            place = _place(layouts.get(name_of(output)), _sizes(output), grid)
            if place is None:
                continue
            before = found[-1] if found else None
            if kind == "FakeQuantize" and before and name_of(node.input_value(0)) == name_of(before.output):
                # What a layer gives is rounded, and may be cut to what is left of it: a relu6 is no more than that.
                found[-1] = replace(before, output=output)
            elif begun and node.get_name() in behind:
                found.append(MapTensor(_path(node, counts[kind]), kind, output, *place))
    return found


def _place(
    layout: Layout | None, sizes: list[int | None], grid: PatchGrid | None
) -> tuple[Positions, tuple[int, ...] | None] | None:
    """Tells how a tensor is a map, and by which transposition its channels come last."""
    if layout is None or len(sizes) not in (3, 4):
        return None
    orders = (None, (0, *range(2, len(sizes)), 1))
    for order in orders:
        place = positions(transpose(layout, order) if order else layout)
        if place is not None and not place.folded and len(place.grid) == 2:
            told = grid is not None and place.before is not None and math.prod(place.grid) == math.prod(grid)
            return (replace(place, grid=grid) if told else place), order  # type: ignore[arg-type]
    extra = (sizes[1] or 0) - math.prod(grid) if grid is not None else -1
    if grid is not None and len(sizes) == 3 and 0 <= extra <= EXTRA:
        return Positions(grid, extra), None
    return None


def _path(node: Any, number: int) -> str:
    """Names a layer: as the file does, else by its kind and number."""
    name, kind = node.get_friendly_name(), node.get_type_name()
    return f"{kind.lower()}_{number}" if not name or GENERATED.fullmatch(name) else name


def _normalisations(nodes: list[Any], layouts: Layouts) -> dict[Name, set[Name]]:
    """Finds normalisations over the channels, as one operation or by its arithmetic.

    What is computed of a tensor, its own mean over the channels and constants alone is one.

    Returns:
        The tensor that each ends in -> the tensors inside of it.
    """
    ends: dict[Name, set[Name]] = {}
    inside: set[Name] = set()
    for node in nodes:
        start = node.input_value(0) if node.get_input_size() else None
        if node.get_type_name() not in STATISTICS or name_of(node.output(0)) in inside or start is None:
            continue
        maker = start.get_node()
        if maker.get_type_name() in ("Power", "Multiply") and len({name_of(v) for v in _computed(maker, layouts)}) == 1:
            start = _computed(maker, layouts)[0]  # a mean of squares
        found = _closure(node, name_of(start), layouts)
        whole = [n for n in found if _sizes(found[n]) == _sizes(start)]
        if whole and _place(layouts.get(whole[-1]), _sizes(start), None) is not None:
            ends[whole[-1]] = set(found) - {whole[-1]}
            inside |= set(found)
    return ends


def _computed(node: Any, layouts: Layouts) -> list[Any]:
    """Returns the inputs of a node that are no constants."""
    return [v for v in node.input_values() if name_of(v) in layouts]


def _closure(node: Any, start: Name, layouts: Layouts) -> dict[Name, Any]:
    """Returns what arithmetic makes of a statistic, of what it is of, and of constants, the last one last."""
    found: dict[Name, Any] = {name_of(node.output(0)): node.output(0)}
    waiting = [node]
    while waiting:
        for reader in readers_of(waiting.pop(0).output(0)):
            name = (reader.get_name(), 0)
            known = {start, *found}
            if reader.get_type_name() not in ARITHMETIC or name in found:
                continue
            if all(name_of(v) in known for v in _computed(reader, layouts)):
                found[name] = reader.output(0)
                waiting.append(reader)
    return found


def _preferred(
    nodes: list[Any], layouts: Layouts, layers: Iterable[MapTensor], norms: set[Name], behind: set[str]
) -> tuple[MapTensor | None, str]:
    """Chooses as `vidcam.cam.build.places` does: before the last attention, or behind the last one in windows."""
    seen = [
        (node, how) for node in nodes if node.get_name() in behind
        for output in node.outputs() if (how := attends(layouts.get(name_of(output))))
    ]  # fmt: skip
    if not seen:
        return None, ""
    last = seen[-1][0]
    reached = {last.get_name()}
    after: list[Any] = []
    for node in nodes:
        if any(v.get_node().get_name() in reached for v in node.input_values()):
            reached.add(node.get_name())
            after.append(node)
    if any(n.get_type_name() in CONVOLUTIONS and max(list(n.input(1).get_shape())[-2:]) > 1 for n in after):
        return None, ""  # convolutions have the last word
    normed = [layer for layer in layers if name_of(layer.output) in norms]
    if any(how == "windows" for _, how in seen):
        behind_it = [layer for layer in normed if layer.output.get_node().get_name() in reached]
        if behind_it:
            return behind_it[-2:][0], "the normalisation behind the last attention, which is in windows"
        return None, ""
    before = ancestors(last.output(0))
    read = [layer for layer in normed if layer.output.get_node().get_name() in before]
    return (read[-1], "the normalisation before the last attention") if read else (None, "")


def default_layer(found: Explainable, name: str) -> tuple[MapTensor, str]:
    """Chooses the layer to explain: the one that attention suggests, or the last, before the pooling that follows it.

    Returns:
        The layer, and the reason in a few words.

    Raises:
        UsageError: there is none.
    """
    if found.preferred is not None:
        return found.preferred, found.reason
    if not found.layers:
        raise UsageError(
            f"{name}: has nothing with rows and columns that leads to its classes; vidcam explains networks of "
            "convolutions or of patch tokens"
        )
    by_output = {name_of(layer.output): layer for layer in found.layers}
    layer, reason = found.layers[-1], "the last layer with a map before the logits"
    while layer.kind in (*LAYOUT, *POOLING):
        earlier = by_output.get(name_of(layer.output.get_node().input_value(0)))
        if earlier is None:
            break
        if layer.kind in POOLING:
            reason = f"the input of the pooling {layer.path}, the last layer with a map before the logits"
        layer = earlier
    return layer, reason


def named(found: Explainable) -> Mapping[str, MapTensor]:
    """Returns the layers that a user may name, by path."""
    return {layer.path: layer for layer in found.layers if layer.kind not in HIDDEN or layer is found.preferred}
