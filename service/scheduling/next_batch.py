"""What runs next of the works that wait: the rest of a failed call, or the oldest and its like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

from service.scheduling.batch_choice import BatchRule
from service.scheduling.drain_rate import DrainRate
from service.scheduling.work_queue import Entry, Payload, Result, WorkQueue


class NextBatch(Generic[Payload, Result]):
    """Takes batches from a queue.

    Args:
        rule: What a batch may hold.
        rate: How fast a worker gets through it.
        margin: A deadline counts as met if this multiple of the predicted time fits before it.
        clock: In seconds; deadlines are on it.
    """

    def __init__(
        self, rule: BatchRule, rate: DrainRate, margin: float, clock: Callable[[], float]
    ) -> None:
        self._rule = rule
        self._rate = rate
        self._margin = margin
        self._clock = clock

    def take(
        self, queue: WorkQueue[Payload, Result], under_way: float
    ) -> list[Entry[Payload, Result]]:
        """The members of the next batch, which leave the queue; none if it is empty.

        Args:
            queue: What waits.
            under_way: Cost that the workers have still to do.
        """
        if not len(queue):
            return []
        members = queue.oldest_part()
        if not members:
            fresh = list(queue)  # parts of failed calls come first, so none is left
            chosen = self._rule.choose(
                [entry.work for entry in fresh],
                # What each worker has to do until all have done everything, at the same time.
                enough=(queue.cost + under_way) / self._rate.workers,
                most=self._affordable(fresh[0]),
            )
            members = [fresh[i] for i in chosen]
        queue.remove(members)
        return members

    def _affordable(self, entry: Entry[Payload, Result]) -> float:
        """The cost of a call that would meet this entry's deadline, if only alone."""
        most = (entry.deadline - self._clock()) * self._rate.of_one / self._margin
        return max(most, entry.cost)
