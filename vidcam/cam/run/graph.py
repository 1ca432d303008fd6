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
        model: reads or returns the `openvino.Model`, which the caller may change.
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


def stored_graph(stored: Stored) -> Graph:
    """Returns the graph of an archive.

    Raises:
        KeyError, TypeError, ValueError: the card lacks something.
    """
    card: Mapping[str, Any] = stored.card
    size = card["size"]
    facts = Facts(
        layers=tuple(str(path) for path in card["layer"]),
        classes=int(card["classes"]),
        end=str(card["end"]),
        pooled_head=bool(card["pooled_head"]),
        without=str(card.get("without", "")),
        steps=int(card.get("steps", 1)),
    )

    def model() -> Any:
        return core().read_model(model=stored.graph, weights=ov.Tensor(stored.weights, shared_memory=True))

    return Graph(facts, None if size == "any" else (int(size[1]), int(size[0])), float(card["difference"]), model)
