"""The moving average of a network's weights, which is better than where the last steps happened to end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vidcam._tensorflow import tf


class Average:
    """The exponential moving average of everything a network has learnt, its moving statistics among it."""

    def __init__(self, model: Any, keeps: float) -> None:
        self._model, self._keeps = model, keeps
        self.variables = [tf.Variable(w.value, trainable=False) for w in model.weights]

    def update(self) -> None:
        """Takes a step's weights in."""
        for held, w in zip(self.variables, self._model.weights, strict=True):
            held.assign_sub((1.0 - self._keeps) * (held - w.value))

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Lets the network compute with the average."""
        own = [w.numpy() for w in self._model.weights]
        for w, held in zip(self._model.weights, self.variables, strict=True):
            w.assign(held)
        try:
            yield
        finally:
            for w, value in zip(self._model.weights, own, strict=True):
                w.assign(value)
