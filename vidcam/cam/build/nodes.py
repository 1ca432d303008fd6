"""What is read of an OpenVINO graph's nodes: their names, shapes and constants, and what a slice takes."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from vidcam.types import Array

Name = tuple[str, int]
"""Of a tensor: its node's name, and which of its outputs it is."""


class Varies(Exception):  # noqa: N818 - a finding, which never reaches the user as an error
    """What is taken for a constant depends on the picture."""


class NoRule(Exception):  # noqa: N818 - a finding, which never reaches the user as an error
    """There is no exact gradient for an operation; says which."""


class Part(NamedTuple):
    """What a slice takes along one axis of its input; of a new axis, nothing.

    Attributes:
        kind: the `whole` axis, a `part` of it, `one` index, whose axis goes, or a `new` axis.
        start: the first index taken.
        step: from one to the next.
    """

    kind: Literal["whole", "part", "one", "new"]
    start: int = 0
    step: int = 1


def name_of(output: Any) -> Name:
    """Returns what a tensor goes by inside of its graph."""
    return output.get_node().get_name(), output.get_index()


def sizes_of(tensor: Any) -> list[int | None]:
    """Returns a tensor's shape, None for axes that are open."""
    return [d.get_length() if d.is_static else None for d in tensor.get_partial_shape()]


def constant_of(value: Any, what: str = "a constant") -> Array:
    """Returns the numbers of an input that says how an operation works, in one line.

    Raises:
        Varies: they are computed from the picture; says what.
    """
    node = value.get_node()
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        raise Varies(f"{what} depends on the picture")
    numbers: Array = node.get_data().reshape(-1)
    return numbers


def integers(value: Any, what: str = "a constant") -> list[int]:
    """Returns whole numbers as `constant_of` does."""
    return [int(n) for n in constant_of(value, what)]


def readers_of(output: Any) -> list[Any]:
    """Returns the nodes that read a tensor's values, each as often as it does."""
    return [t.get_node() for t in output.get_target_inputs() if t.get_node().get_type_name() != "ShapeOf"]


def ancestors(output: Any) -> set[str]:
    """Returns the names of the nodes that a tensor is computed from."""
    seen = {output.get_node().get_name()}
    stack = [output.get_node()]
    while stack:
        for value in stack.pop().input_values():
            if value.get_node().get_name() not in seen:
                seen.add(value.get_node().get_name())
                stack.append(value.get_node())
    return seen


def parts_of(node: Any) -> list[Part] | None:
    """Reads what a slice takes: `StridedSlice`, `Slice`, or `Gather` of one index.

    Returns:
        A part for each axis of the input, and for new ones; None for a gathering of several.

    Raises:
        Varies: that depends on the picture.
    """
    sizes = sizes_of(node.input_value(0))
    kind = node.get_type_name()
    if kind == "StridedSlice":
        return _strided(node, sizes)
    parts = [Part("whole")] * len(sizes)
    if kind == "Gather":
        chosen, (axis,) = integers(node.input_value(1), "an index"), integers(node.input_value(2), "an axis")
        if len(chosen) != 1:
            return None
        shrinks = len(sizes_of(node.output(0))) < len(sizes)
        parts[axis] = Part("one" if shrinks else "part", _place(chosen[0], sizes[axis]))
        return parts
    starts, steps = integers(node.input_value(1), "a slice"), integers(node.input_value(3), "a slice")
    axes = integers(node.input_value(4), "a slice") if node.get_input_size() > 4 else list(range(len(starts)))
    for axis, start, step in zip(axes, starts, steps, strict=True):
        parts[axis] = Part("part", _place(start, sizes[axis]), step)
    return parts


def _place(index: int, size: int | None) -> int:
    """Counts an index from the start, which of an open axis only one from there on has been."""
    if size is None:
        if index < 0:
            raise Varies("a slice from the end of an open axis")
        return index
    return max(index + size, 0) if index < 0 else min(index, size)


def _strided(node: Any, sizes: list[int | None]) -> list[Part]:
    starts, steps = (integers(node.input_value(i), "a slice") for i in (1, 3))
    given = node.get_attributes()
    masks = ("begin_mask", "end_mask", "new_axis_mask", "shrink_axis_mask", "ellipsis_mask")
    begin, end, new, shrink, ellipsis = ([*given[m], *[0] * len(starts)] for m in masks)
    parts: list[Part] = []
    used = sum(not (new[i] or ellipsis[i]) for i in range(len(starts)))
    for i, (start, step) in enumerate(zip(starts, steps, strict=True)):
        at = len([p for p in parts if p.kind != "new"])
        if ellipsis[i]:
            parts += [Part("whole")] * (len(sizes) - used)
        elif new[i]:
            parts.append(Part("new"))
        elif shrink[i]:
            parts.append(Part("one", _place(start, sizes[at])))
        elif begin[i] and end[i] and step == 1:
            parts.append(Part("whole"))
        else:
            parts.append(Part("part", 0 if begin[i] else _place(start, sizes[at]), step))
    return parts + [Part("whole")] * (len(sizes) - len([p for p in parts if p.kind != "new"]))
