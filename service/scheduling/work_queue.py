"""Who waits for what: works in the order of their age, and the clients behind them.

Knows neither HTTP nor TensorFlow.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from service.scheduling.batch_choice import Work

Payload = TypeVar("Payload")
Result = TypeVar("Result")


class Ticket(Generic[Result]):
    """What one client waits for: a result for each of its works, or one error for all.

    Args:
        works: How many.
        deadline: On the scheduler's clock, in seconds.
    """

    def __init__(self, works: int, deadline: float | None) -> None:
        self.deadline = deadline
        self.entries: set[Entry[Any, Result]] = set()
        self.answer: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        self._results: dict[int, Result] = {}
        self._works = works

    def deliver(self, index: int, result: Result) -> None:
        """Notes one result; the last one answers the client."""
        self._results[index] = result
        if len(self._results) == self._works and not self.answer.done():
            self.answer.set_result([self._results[i] for i in range(self._works)])

    def refuse(self, error: Exception) -> None:
        """Answers the client with an error, unless it left."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Entry(Generic[Payload, Result]):
    """One work, under way or waiting, and everybody who wants its result."""

    def __init__(self, work: Work[Payload], cost: int) -> None:
        self.work = work
        self.cost = cost  # in a call of its own
        self.attempts = 0
        self.part: object | None = None  # of a call that failed: those with the same run together
        self.tickets: dict[Ticket[Result], list[int]] = {}

    @property
    def deadline(self) -> float:
        """The first among those who wait, in seconds on the scheduler's clock; may be infinite."""
        deadlines = [t.deadline for t in self.tickets if t.deadline is not None]
        return min(deadlines, default=math.inf)

    def add(self, ticket: Ticket[Result], index: int) -> None:
        """Lets a client wait for this as its work number `index`."""
        self.tickets.setdefault(ticket, []).append(index)
        ticket.entries.add(self)

    def succeed(self, result: Result) -> None:
        """Gives everybody the result."""
        for ticket, indices in self.tickets.items():
            ticket.entries.discard(self)
            for index in indices:
                ticket.deliver(index, result)
        self.tickets = {}


@dataclass(frozen=True, kw_only=True)
class Call(Generic[Payload, Result]):
    """A batch under way."""

    members: list[Entry[Payload, Result]]
    cost: int
    began: float


class WorkQueue(Generic[Payload, Result]):
    """The entries that wait, the oldest first; with sums, so that admission needs no loop."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Hashable, Entry[Payload, Result]] = OrderedDict()
        self.tokens = 0  # estimated, not padded
        self.cost = 0  # padded tokens times width

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry[Payload, Result]]:
        return iter(self._entries.values())

    def __contains__(self, entry: Entry[Payload, Result]) -> bool:
        return entry.work.key in self._entries

    def append(self, entry: Entry[Payload, Result]) -> None:
        """Adds the newest."""
        self._entries[entry.work.key] = entry
        self.tokens += entry.work.tokens
        self.cost += entry.cost

    def put_first(self, entries: Sequence[Entry[Payload, Result]]) -> None:
        """Puts before all others what is to be run together, having failed together."""
        part = object()
        for entry in reversed(entries):
            entry.part = part
            self.append(entry)
            self._entries.move_to_end(entry.work.key, last=False)

    def remove(self, entries: Iterable[Entry[Payload, Result]]) -> None:
        """Takes out what is to be run, or what nobody wants any more."""
        for entry in entries:
            del self._entries[entry.work.key]
            self.tokens -= entry.work.tokens
            self.cost -= entry.cost

    def oldest_part(self) -> list[Entry[Payload, Result]]:
        """What of a failed call is to be run next, together."""
        part = next(iter(self)).part
        return [] if part is None else [entry for entry in self if entry.part is part]

    def leave(self, ticket: Ticket[Result]) -> list[Entry[Payload, Result]]:
        """Ends a client's waiting.

        Returns:
            What nobody waits for any more and was taken out. What runs already goes on.
        """
        gone = []
        for entry in ticket.entries:
            del entry.tickets[ticket]
            if not entry.tickets and entry in self:
                gone.append(entry)
        ticket.entries = set()
        self.remove(gone)
        return gone

    def has_others(self, ticket: Ticket[Result]) -> bool:
        """Whether anybody else waits for these works."""
        return any(one is not ticket for entry in self for one in entry.tickets)

    def late(self, now: float, rate: float) -> list[tuple[Ticket[Result], float]]:
        """The clients who can't be answered in time any more, and their deadlines, the first first.

        Args:
            now: In seconds, on the clock of the deadlines.
            rate: Cost per second; even alone and at once, one of their works would end too late
                for all who want it.
        """
        found: dict[Ticket[Result], float] = {}
        for entry in self:
            end = now + entry.cost / rate
            latest = max(t.deadline or math.inf for t in entry.tickets)
            bound = end if latest <= end else now  # else it is run for somebody in any case
            for ticket in entry.tickets:
                if ticket.deadline is not None and ticket.deadline <= bound:
                    found[ticket] = ticket.deadline
        return sorted(found.items(), key=lambda late: late[1])
