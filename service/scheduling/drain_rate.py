"""How fast the workers get through their work, and so how long there is to wait."""

from __future__ import annotations

import math
from collections.abc import Callable

HALF_LIFE_S = 2.0
"""Of a measurement, in seconds of a worker's time."""

_WEIGHT_OF_GUESS_S = 0.05  # the first real call outweighs it


class DrainRate:
    """A running mean of the cost that a worker does in a second.

    Cost is padded source tokens times width. Calls count by the time that they took, so under load,
    when waits matter, the rate is that of full batches.

    Args:
        workers: How many run at the same time, now.
        first_guess: Cost per second of one worker, until there is a measurement.
    """

    def __init__(self, workers: Callable[[], int], first_guess: float) -> None:
        self._workers = workers
        self._cost = first_guess * _WEIGHT_OF_GUESS_S
        self._seconds = _WEIGHT_OF_GUESS_S

    @property
    def workers(self) -> int:
        """One at least: where there is none, there will be."""
        return max(1, self._workers())

    @property
    def of_one(self) -> float:
        """Cost per second of one worker."""
        return self._cost / self._seconds

    def learn(self, cost: float, seconds: float) -> None:
        """Takes in a call that ended well."""
        seconds = max(seconds, 1e-6)
        kept = math.exp2(-seconds / HALF_LIFE_S)
        self._cost = kept * self._cost + cost
        self._seconds = kept * self._seconds + seconds

    def seconds(self, cost: float, largest: float = 0.0) -> float:
        """Until all of that is done: the bound of list scheduling (Graham, 1969).

        Args:
            cost: Of all work, that under way included.
            largest: Of the piece that may come last, which one worker does while the others rest.
        """
        workers = self.workers
        return (cost + (workers - 1) * largest) / (workers * self.of_one)
