"""The batches under way, and what they have still to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Generic

from service.scheduling.drain_rate import DrainRate
from service.scheduling.work_queue import Call, Entry, Payload, Result

Outcomes = asyncio.Task[Sequence[Result | Exception]]
"""A batch that runs: in the end a result or an exception for each of its works."""


class RunningCalls(Generic[Payload, Result]):
    """Calls by the tasks that run them, as many as there are workers.

    Args:
        workers: How many can run one, now; what is under way goes on with less.
        rate: How fast a worker gets on; told of each call that ended well.
        clock: In seconds.
        is_telling: Whether a result says how fast work is done.
    """

    def __init__(
        self,
        workers: Callable[[], int],
        rate: DrainRate,
        clock: Callable[[], float],
        is_telling: Callable[[Result], bool] = lambda _: True,
    ) -> None:
        self._workers = workers
        self._rate = rate
        self._clock = clock
        self._is_telling = is_telling
        self._calls: dict[Outcomes[Result], Call[Payload, Result]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def is_full(self) -> bool:
        """Whether every worker has one."""
        return self.free <= 0

    @property
    def free(self) -> int:
        """How many could begin at once; less than 0 after a loss of workers."""
        return self._workers() - len(self._calls)

    @property
    def cost(self) -> float:
        """Padded tokens times width that are still to be done."""
        return sum(map(self._left, self._calls.values()))

    def each(self) -> list[tuple[Sequence[Entry[Payload, Result]], float]]:
        """The members of each, and what it has still to do."""
        return [(call.members, self._left(call)) for call in self._calls.values()]

    def add(self, task: Outcomes[Result], members: list[Entry[Payload, Result]], cost: int) -> None:
        """It begins."""
        self._calls[task] = Call(members=members, cost=cost, began=self._clock())

    def remove(self, task: Outcomes[Result]) -> list[Entry[Payload, Result]]:
        """Its members, once it has ended."""
        call = self._calls.pop(task)
        if not any(map(_says_nothing, call.members)) and self._tells(task):
            self._rate.learn(call.cost, self._clock() - call.began)
        return call.members

    def _tells(self, task: Outcomes[Result]) -> bool:
        """Whether it ended well, and all that was reckoned with was done."""
        if task.cancelled() or task.exception() is not None:
            return False
        return all(isinstance(one, Exception) or self._is_telling(one) for one in task.result())

    def _left(self, call: Call[Payload, Result]) -> float:
        return max(0.0, call.cost - (self._clock() - call.began) * self._rate.of_one)


def _says_nothing(entry: Entry[Any, Any]) -> bool:
    """Of how fast texts are done: in the background, or again and in smaller parts than usual."""
    return entry.work.background or entry.attempts > 1
