"""An exponential moving average of the weights, which is often better than their last value."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np


class WeightAverage:
    """Follows the trainable weights of a network.

    Update n counts with a decay of at most (1 + n) / (10 + n), as TensorFlow's own average does:
    else the first, random weights would weigh for as long as the decay lasts. Keras' optimizers
    have `use_ema` without that, and their variables could not be told apart in a checkpoint.
    """

    def __init__(self, model: keras.Model, decay: float) -> None:
        self._decay = decay
        self._weights = model.trainable_variables
        self._updates = keras.Variable(0, dtype="int32", trainable=False, name="updates")
        self._averages = [
            keras.Variable(weight, dtype=weight.dtype, trainable=False, name=f"average_{i}")
            for i, weight in enumerate(self._weights)
        ]

    @property
    def variables(self) -> list[Any]:
        """All that a checkpoint must hold."""
        return [self._updates, *self._averages]

    def restart(self) -> None:
        """Begins at the weights as they are."""
        self._updates.assign(0)
        for average, weight in zip(self._averages, self._weights, strict=True):
            average.assign(weight)

    def update(self) -> None:
        """Takes in the weights after one more step."""
        updates = int(self._updates.numpy()) + 1
        part = 1.0 - min(self._decay, (1.0 + updates) / (10.0 + updates))
        self._updates.assign(updates)
        for average, weight in zip(self._averages, self._weights, strict=True):
            average.assign_add(part * (weight - average))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The network computes with the average until this ends."""
        trained = [np.array(weight.numpy()) for weight in self._weights]
        try:
            for weight, average in zip(self._weights, self._averages, strict=True):
                weight.assign(average)
            yield
        finally:
            for weight, value in zip(self._weights, trained, strict=True):
                weight.assign(value)
