"""A graph that OpenVINO computes, and what is known about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vidcam._archive import Stored
from vidcam._openvino import core, ov


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a network once it is traced for certain target layers.

    Attributes:
        layers: the paths of the target layers.
        classes: the number of classes as shown: two for one sigmoid output.
        end: what the network ends with: `softmax`, `sigmoid` or `linear`.
        pooled_head: whether a global average pooling and one dense layer follow the target layer, as CAM needs it.
        without: why there is no gradient; empty where there is one.
        steps: how many steps in time a map has, one under another: 1 for a network that sees one picture.
    """

    layers: tuple[str, ...]
    classes: int
    end: str
    pooled_head: bool
    without: str = ""
    steps: int = 1


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph as docs/format.md says.

    Attributes:
        facts: about the network.
        size: (height, width) of the pictures that it takes, None for any.
        difference: how far, of their maximum, its results are from TensorFlow's at most; 0 where nobody compared.
        model: returns an `openvino.Model` that the caller may change; it and what is compiled of it live no longer than
            this graph, which keeps the weights.
    """

    facts: Facts
    size: tuple[int, int] | None
    difference: float
    model: Callable[[], Any]

    def card(self) -> dict[str, Any]:
        """Returns what a card says of the graph."""
        f = self.facts
        return {
            "layer": list(f.layers),
            "classes": f.classes,
            "end": f.end,
            "pooled_head": f.pooled_head,
            **({"without": f.without} if f.without else {}),
            "steps": f.steps,
            "size": "any" if self.size is None else [self.size[1], self.size[0]],
            "difference": self.difference,
        }


def facts_on(card: Mapping[str, Any]) -> Facts:
    """Returns what a card says of a network.

    Raises:
        KeyError, TypeError, ValueError: the card lacks something.
    """
    return Facts(
        layers=tuple(str(path) for path in card["layer"]),
        classes=int(card["classes"]),
        end=str(card["end"]),
        pooled_head=bool(card["pooled_head"]),
        without=str(card.get("without", "")),
        steps=int(card.get("steps", 1)),
    )


def stored_graph(stored: Stored) -> Graph:
    """Returns the graph of an archive.

    Raises:
        KeyError, TypeError, ValueError: the card lacks something.
        RuntimeError: OpenVINO cannot read the graph.
    """
    facts, size = facts_on(stored.card), stored.card["size"]
    fixed = None if size == "any" else (int(size[1]), int(size[0]))
    read = core().read_model(model=stored.graph, weights=ov.Tensor(stored.weights, shared_memory=True))

    def model(_: Any = stored.weights) -> Any:  # which OpenVINO reads from for as long as the graph is computed
        return read.clone()

    return Graph(facts, fixed, float(stored.card["difference"]), model)
