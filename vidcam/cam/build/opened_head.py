"""The head of a network that OpenVINO reads: what lies between a layer's map and the logits."""

from __future__ import annotations

import math
from typing import Any

from vidcam.cam.build.nodes import ancestors, integers, name_of, parts_of, readers_of, sizes_of
from vidcam.cam.build.opened_layers import LAYOUT, MapTensor


def pooling_behind(layer: MapTensor) -> Any:
    """Returns the output of the global average pooling that all of a layer's map goes through, None without one."""
    output, order, places = layer.output, layer.order, layer.positions
    channel, rank = (1 if order else len(sizes_of(output)) - 1), len(sizes_of(output))
    others = places.before is not None and sizes_of(output)[2 if order else 1] != math.prod(places.grid)
    while True:
        readers = readers_of(output)
        if len(readers) != 1:
            return None
        (node,) = readers
        kind = node.get_type_name()
        if kind == "ReduceMean":
            pooled = sorted(a % rank for a in integers(node.input_value(1)))
            whole = pooled == [a for a in range(1, rank) if a != channel]
            return node.output(0) if whole and not others else None
        if kind == "AvgPool":
            given = node.get_attributes()
            sizes = sizes_of(node.input_value(0))[2:]
            padded = any((*given["pads_begin"], *given["pads_end"])) and given["auto_pad"] == "explicit"
            even = list(given["kernel"]) == sizes and not padded
            return node.output(0) if even and channel == 1 and not others else None
        if kind == "Transpose":
            channel = integers(node.input_value(1)).index(channel)
        elif kind in ("Slice", "StridedSlice") and others:
            parts = parts_of(node) or []
            kept = [p for p in parts if p.kind != "whole" and (p.start or p.step != 1 or p.kind != "part")]
            count = sizes_of(node.output(0))[2 if channel == 1 else 1]
            if [p.start for p in kept] != [places.before] or count != math.prod(places.grid):
                return None
            others = False
        elif kind not in ("FakeQuantize", "Convert"):
            return None
        output = node.output(0)


def is_dense(pooled: Any, logits: Any) -> bool:
    """Tells whether one dense layer, or a 1x1 convolution, and nothing else leads from a pooling to the logits."""
    products, output = 0, logits
    while name_of(output) != name_of(pooled):
        node = output.get_node()
        kind = node.get_type_name()
        if kind in ("MatMul", "Convolution"):
            products += 1
        elif kind in ("Add", "Multiply"):  # a bias, and the factor that a product has in ONNX
            if pooled.get_node().get_name() in ancestors(node.input_value(1)):
                return False
        elif kind not in LAYOUT:
            return False
        if not node.get_input_size():
            return False
        output = node.input_value(0)
    return products == 1
