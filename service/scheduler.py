"""Who runs when, with whom, and who is refused: the queue before the workers.

Knows neither HTTP nor TensorFlow, only `asyncio`, a clock and a callable that runs a batch. All of
it lives on one event loop: no locks, no timers; it acts when work, or a worker, comes or goes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic

from service.errors import DeadlinePassed, InternalError, NotReady, ServiceError
from service.scheduling.admission import Admission
from service.scheduling.batch_choice import BatchRule, Work
from service.scheduling.drain_rate import DrainRate
from service.scheduling.next_batch import NextBatch
from service.scheduling.observer import NoSchedulerObserver, SchedulerObserver
from service.scheduling.result_cache import ResultCache
from service.scheduling.running_calls import RunningCalls
from service.scheduling.spare_time import SpareTime
from service.scheduling.work_queue import Entry, Payload, Result, Ticket, WorkQueue

log = logging.getLogger(__name__)

_TIMER_S = 0.002
"""By which a timer of the event loop may come too early: uvloop's clock has whole milliseconds."""

Run = Callable[[Sequence[Payload]], Awaitable[Sequence[Result | Exception]]]
"""Runs a batch on an idle worker: a result or an exception for each, in their order."""


class Scheduler(Generic[Payload, Result]):
    """Runs work at once while a worker is idle; batches what comes while none is.

    **Failures.** A batch that fails is halved, and each half runs again, down to a single work. One
    whose worker was lost runs again one by one: a work that kills its worker kills two, and all of
    its neighbours are answered. A work that fails alone has its error once it has run twice.

    **Order.** The oldest work is in the next batch, always, and the others are chosen to fit it. A
    batch is no larger than what lets the oldest meet its deadline, and than an equal share of all
    that is known, so that no worker is left without work beside a full one.

    Args:
        run: Runs a batch. As many are under way at once as there are workers.
        workers: How many there are, now; with none, all work waits.
        rule: What a batch may hold.
        max_queued_texts: Works that may wait. Work that finds an empty queue is always taken.
        rate: Cost per second of one worker (padded tokens times width), until it is measured.
        margin: A deadline counts as met if this multiple of the predicted time fits before it;
            newer works of a fitting length overtake, and predictions err.
        lost: What `run` raises if the worker was lost and the batch isn't to blame, perhaps.
        is_telling: Whether a result says how fast work is done; one that took next to none doesn't.
        cache: Results by `Work.key`. What is found there is not admitted, only answered.
        observer: Told of everything.
        clock: In seconds; deadlines are on it.
    """

    def __init__(
        self,
        run: Run[Payload, Result],
        *,
        workers: Callable[[], int],
        rule: BatchRule,
        max_queued_texts: int,
        rate: float = 10_000.0,
        margin: float = 1.4,
        lost: tuple[type[Exception], ...] = (),
        is_telling: Callable[[Result], bool] = lambda _: True,
        cache: ResultCache[Result] | None = None,
        observer: SchedulerObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._workers = workers
        self._rule = rule
        self._rate = DrainRate(workers, rate)
        self._calls = RunningCalls[Payload, Result](workers, self._rate, clock, is_telling)
        self._next_batch: NextBatch[Payload, Result] = NextBatch(rule, self._rate, margin, clock)
        self._admission = Admission(
            rule=rule, rate=self._rate, max_queued_texts=max_queued_texts, margin=margin
        )
        self._lost = lost
        self._cache = ResultCache[Result](0, lambda _, __: 0) if cache is None else cache
        self._observer = observer or NoSchedulerObserver()
        self._clock = clock
        self._queue: WorkQueue[Payload, Result] = WorkQueue()
        self._known: dict[Hashable, Entry[Payload, Result]] = {}  # waiting or under way
        self._draining = False
        self._finished = asyncio.Event()
        self._spare_time = SpareTime()

    async def submit(
        self, works: Sequence[Work[Payload]], deadline: float | None = None
    ) -> list[Result]:
        """The result of each work, in their order.

        All are taken or none. If the waiting coroutine is cancelled, or one of the works fails,
        the others leave the queue, unless somebody else waits for the same.

        Args:
            works: Of one client.
            deadline: On the clock, in seconds. Looked at on arrival and whenever a batch is made;
                a batch under way is not ended, so the caller looks once more.

        Raises:
            Overloaded: too many works wait.
            DeadlineUnmeetable: so much waits that the deadline would pass, as predicted; or, in the
                queue, that it would even if this ran now and alone.
            DeadlinePassed: it has passed.
            NotReady: `drain` was called.
            Exception: what `run` raised for one of the works, or returned in its place.
        """
        if not works:
            return []
        ticket = self._enter(works, deadline)
        try:
            return await ticket.answer
        finally:
            self._withdraw(ticket, self._reason_of(ticket))
            self._settle()

    async def spare(self) -> None:
        """Returns once nothing waits and a worker is idle; with several, two: one stays idle.

        What is submitted before the event loop turns runs at once. Who came first is let in first.

        Raises:
            NotReady: `drain` was called.
        """
        await self._spare_time.wait()
        if self._draining:
            raise NotReady("the service is stopping", retry_after_s=1)

    def predicted_wait_s(self) -> float:
        """Seconds until all that is known now will be done."""
        return self._rate.seconds(self._queue.cost + self._calls.cost)

    def wake(self) -> None:
        """Looks again: the number of workers has changed."""
        self._settle()

    def drain(self) -> None:
        """Takes no more work; what was taken is finished."""
        self._draining = True
        self._spare_time.end()
        self._note_finished()

    async def close(self) -> None:
        """Drains, and returns once nobody waits for anything any more."""
        self.drain()
        await self._finished.wait()

    def _enter(self, works: Sequence[Work[Payload]], deadline: float | None) -> Ticket[Result]:
        now = self._clock()
        self._expire(now)
        new: dict[Hashable, Work[Payload]] = {}
        for work in works:
            if work.key not in self._known and work.key not in self._cache:
                new.setdefault(work.key, work)
        try:
            joined = {self._known[work.key] for work in works if work.key in self._known}
            self._admit(list(new.values()), joined, None if deadline is None else deadline - now)
        except ServiceError as error:
            self._observer.refused(error.name, len(works))
            self._settle()
            raise
        ticket = Ticket[Result](len(works), deadline)
        for work in new.values():
            self._known[work.key] = Entry(work, self._rule.cost([work]))
            self._queue.append(self._known[work.key])
        cached = 0
        for index, work in enumerate(works):
            if work.key in self._known:
                self._known[work.key].add(ticket, index)
            else:
                ticket.deliver(index, self._cache[work.key])
                cached += 1
        others = len(works) - cached - len(new)
        self._observer.admitted(cached=cached, joined=others, queued=len(new))
        self._settle()
        return ticket

    def _admit(
        self,
        new: list[Work[Payload]],
        joined: set[Entry[Payload, Result]],
        left_s: float | None,
    ) -> None:
        if self._draining:
            raise NotReady("the service is stopping", retry_after_s=1)
        if left_s is not None and left_s <= 0:
            raise DeadlinePassed(
                "the time for this request was over when it came",
                retry_after_s=self.predicted_wait_s(),
            )
        first_in_line = 1 - len(self._queue) - len(self._calls)
        if len(new) > max(0, self._calls.free, first_in_line):  # none waits for others: don't guess
            self._admission.check(new, left_s, queue=self._queue, under_way=self._calls.cost)
        if joined and left_s is not None:
            calls = self._calls.each()
            self._admission.check_joined(joined, left_s, queue=self._queue, under_way=calls)

    def _expire(self, now: float) -> None:
        """Answers the clients who wait in vain; what only they wanted is not run."""
        for ticket, deadline in self._queue.late(now, self._rate.of_one):
            in_the_way = len(self._queue) > self._calls.free and self._queue.has_others(ticket)
            if deadline <= now or in_the_way:  # else it is run: rates may err
                known = self._queue.cost + self._calls.cost
                ticket.refuse(self._admission.waited_in_vain(deadline - now, known))
                self._withdraw(ticket, self._observer.missed)

    def _withdraw(self, ticket: Ticket[Result], tell: Callable[[int], None]) -> None:
        """Ends a client's waiting, and tells how many works left the queue by that."""
        gone = self._queue.leave(ticket)
        for entry in gone:
            del self._known[entry.work.key]
        if gone:
            tell(len(gone))

    def _settle(self) -> None:
        """Brings idle workers and waiting works together."""
        while not self._calls.is_full and (members := self._next()):
            self._start(members)
        self._observer.waiting(len(self._queue), self._queue.tokens)
        self._note_finished()
        left_idle = 1 if self._workers() > 1 else 0
        has_spare = not len(self._queue) and self._calls.free > left_idle
        self._spare_time.note(is_now=has_spare)

    def _note_finished(self) -> None:
        # Who stops does not wait for a call, it may hang, whose clients have left.
        if self._draining and not any(entry.tickets for entry in self._known.values()):
            self._finished.set()

    def _reason_of(self, ticket: Ticket[Result]) -> Callable[[int], None]:
        """Whom to tell of what leaves the queue: whoever waited may have had a timer of its own."""
        is_late = ticket.deadline is not None and self._clock() >= ticket.deadline - _TIMER_S
        return self._observer.missed if is_late else self._observer.dropped

    def _next(self) -> list[Entry[Payload, Result]]:
        """Takes the next batch from the queue; none if it is empty."""
        self._expire(self._clock())
        return self._next_batch.take(self._queue, self._calls.cost)

    def _start(self, members: list[Entry[Payload, Result]]) -> None:
        works = [entry.work for entry in members]
        for entry in members:
            entry.attempts += 1
        tokens = sum(work.tokens for work in works)
        self._observer.started(len(works), tokens, self._rule.padded_tokens(works))
        task = asyncio.create_task(self._checked([work.payload for work in works]))
        self._calls.add(task, members, self._rule.cost(works))
        task.add_done_callback(self._ended)

    async def _checked(self, payloads: Sequence[Payload]) -> Sequence[Result | Exception]:
        results = await self._run(payloads)
        if len(results) != len(payloads):
            raise RuntimeError(f"{len(results)} results for {len(payloads)} texts")
        return results

    def _ended(self, task: asyncio.Task[Sequence[Result | Exception]]) -> None:
        members = self._calls.remove(task)
        if task.cancelled():
            for entry in members:
                self._finish(entry, NotReady("the call was cancelled", retry_after_s=1))
        elif error := task.exception():
            self._failed(members, error)
        else:
            for entry, outcome in zip(members, task.result(), strict=True):
                self._finish(entry, outcome)
        self._settle()

    def _finish(self, entry: Entry[Payload, Result], outcome: Result | Exception) -> None:
        del self._known[entry.work.key]
        if isinstance(outcome, Exception):
            for ticket in list(entry.tickets):
                ticket.refuse(outcome)
                self._withdraw(ticket, self._observer.dropped)
        else:
            entry.succeed(outcome)
            self._cache.put(entry.work.key, outcome)

    def _failed(self, members: list[Entry[Payload, Result]], error: BaseException) -> None:
        """Runs again what somebody still waits for, in smaller parts; see `Scheduler`."""
        if len(members) == 1 and members[0].attempts > 1:
            self._finish(members[0], error if isinstance(error, Exception) else InternalError())
            return
        wanted = [entry for entry in members if entry.tickets]
        for entry in members:
            if not entry.tickets:
                del self._known[entry.work.key]
        lost = isinstance(error, self._lost)
        log.warning("a call with %d texts failed: %s", len(members), type(error).__name__)
        self._observer.retried(len(wanted), lost=lost)
        size = 1 if lost else max(1, (len(members) + 1) // 2)
        for first in reversed(range(0, len(wanted), size)):
            self._queue.put_first(wanted[first : first + size])
