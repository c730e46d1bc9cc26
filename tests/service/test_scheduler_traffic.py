"""A scheduler in traffic that hypothesis makes up, and at saturation on simulated workers.

The clock is simulated too: the figures are those of the algorithm, and the same on every machine.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.errors import ServiceError
from service.scheduler import Scheduler
from service.scheduling.batch_choice import BatchRule, Work
from service.scheduling.result_cache import ENTRY_BYTES, ResultCache

WORKERS, BUDGET, MAX_QUEUED = 2, 512, 6
MISFIT, BAD, POISON = 9, 10, 11  # texts: refused by itself, breaks its batch, kills its worker


class LostError(Exception):
    pass


def padded(tokens: int) -> int:
    return min(-(-tokens // 64) * 64, 1_024)


def tokens_of(text: int) -> int:
    return 40 + 30 * (text % 4)


@dataclass
class Tally:
    """Sums what an observer hears."""

    of: Counter[str] = field(default_factory=Counter)
    texts_waiting: int = 0

    def waiting(self, texts: int, tokens: int) -> None:
        assert (texts == 0) == (tokens == 0)
        self.texts_waiting = texts

    def refused(self, reason: str, texts: int) -> None:
        self.of["refused"] += texts

    def admitted(self, *, cached: int, joined: int, queued: int) -> None:
        self.of += Counter(cached=cached, joined=joined, queued=queued)

    def started(self, texts: int, tokens: int, padded_tokens: int) -> None:
        self.of += Counter(started=texts, tokens=tokens, padded_tokens=padded_tokens)

    def retried(self, texts: int, *, lost: bool) -> None:
        self.of["retried"] += texts

    def dropped(self, texts: int) -> None:
        self.of["dropped"] += texts

    def missed(self, texts: int) -> None:
        self.of["missed"] += texts


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Traffic:
    """Clients who come and leave, calls that end and fail, and what must hold meanwhile."""

    def __init__(self, *, cached: bool) -> None:
        self.now = 0.0
        self.workers = WORKERS
        self.tally = Tally()
        self.clients: list[tuple[list[int], asyncio.Task[list[str]]]] = []
        self.calls: list[tuple[list[int], asyncio.Future[list[Any]]]] = []
        self.submitted = 0
        self.faults: list[str] = []
        self.scheduler: Scheduler[int, str] = Scheduler(
            self.run,
            workers=lambda: self.workers,
            rule=BatchRule(max_tokens=BUDGET, padded_length=padded, padding_tolerance=0.1),
            max_queued_texts=MAX_QUEUED,
            rate=100,
            lost=(LostError,),
            cache=ResultCache(3 * ENTRY_BYTES if cached else 0, lambda _, __: 0),
            observer=self.tally,
            clock=lambda: self.now,
        )

    async def run(self, texts: Sequence[int]) -> list[Any]:
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self.calls.append((list(texts), future))
        cost = len(texts) * padded(max(map(tokens_of, texts)))
        wanted = {text for asked, task in self.clients if not task.done() for text in asked}
        for fault, holds in {
            "more calls than workers": len(self.calls) <= self.workers,
            "a text twice in one call": len(set(texts)) == len(texts),
            "a text in two calls": len({t for c, _ in self.calls for t in c})
            == sum(len(c) for c, _ in self.calls),
            "a batch over the budget": cost <= BUDGET or len(texts) == 1,
            "run for nobody": wanted.issuperset(texts),
        }.items():
            if not holds:
                self.faults.append(fault)
        return await future

    async def come(self, texts: list[int], left: float | None) -> None:
        works = [
            Work(payload=text, key=text, tokens=tokens_of(text), width=1, group=text % 2)
            for text in texts
        ]
        before = self.tally.texts_waiting
        deadline = None if left is None else self.now + left
        self.clients.append((texts, asyncio.create_task(self.scheduler.submit(works, deadline))))
        self.submitted += len(texts)
        await turn()
        assert self.tally.texts_waiting <= max(MAX_QUEUED, before, len(texts))

    async def leave(self, index: int) -> None:
        if self.clients:
            self.clients[index % len(self.clients)][1].cancel()
            await turn()

    async def end(self, index: int, how: str) -> None:
        if not self.calls:
            return
        texts, future = self.calls.pop(index % len(self.calls))
        if how == "lost" or POISON in texts:
            future.set_exception(LostError())
        elif how == "failed" or BAD in texts:
            future.set_exception(ValueError())
        elif how == "cancelled":
            future.cancel()
        else:
            future.set_result([KeyError() if t == MISFIT else f"summary of {t}" for t in texts])
        await turn()

    async def resize(self, workers: int) -> None:
        """Some are lost, or replaced."""
        self.workers = workers
        self.scheduler.wake()
        await turn()

    async def finish(self) -> None:
        """Ends all that is left, and looks at every answer and every sum."""
        closing = asyncio.create_task(self.scheduler.close())
        await self.resize(WORKERS)
        while self.calls:
            await self.end(0, "well")
        assert closing.done()
        for texts, task in self.clients:
            assert task.done()
            if not task.cancelled() and task.exception() is None:
                assert task.result() == [f"summary of {text}" for text in texts]
                assert not {MISFIT, BAD, POISON}.intersection(texts)
            elif not task.cancelled():
                kinds = (ServiceError, LostError, ValueError, KeyError)
                assert isinstance(task.exception(), kinds)
        of = self.tally.of
        assert self.submitted == of["refused"] + of["cached"] + of["joined"] + of["queued"]
        assert of["queued"] + of["retried"] == of["started"] + of["dropped"] + of["missed"]
        assert self.tally.texts_waiting == 0
        assert self.faults == []


STEPS = st.one_of(
    st.tuples(
        st.just("come"),
        st.lists(st.integers(0, POISON), min_size=1, max_size=8),
        st.none() | st.floats(-1, 20),
    ),
    st.tuples(st.just("leave"), st.integers(0, 30)),
    st.tuples(
        st.just("end"), st.integers(0, 3), st.sampled_from(["well"] * 4 + ["failed", "lost"])
    ),
    st.tuples(st.just("end"), st.integers(0, 3), st.just("cancelled")),
    st.tuples(st.just("resize"), st.integers(0, WORKERS)),
    st.tuples(st.just("pass"), st.floats(0, 5)),
)


@given(st.lists(STEPS, max_size=40), st.booleans())
def test_everybody_gets_his_own_result_or_an_error_and_nothing_is_left(
    steps: list[Any], cached: bool
) -> None:
    async def live() -> None:
        traffic = Traffic(cached=cached)
        for name, *arguments in steps:
            if name == "pass":
                traffic.now += arguments[0]
            else:
                await getattr(traffic, name)(*arguments)
        await traffic.finish()

    asyncio.run(live())


@given(st.permutations(range(9)), st.data())
def test_without_faults_everybody_is_answered(texts: list[int], data: st.DataObject) -> None:
    async def live() -> None:
        traffic = Traffic(cached=False)
        for text in texts[:MAX_QUEUED]:
            await traffic.come([text, texts[0]], None)
            if data.draw(st.booleans()):
                await traffic.end(data.draw(st.integers(0, 1)), "well")
        await traffic.finish()
        assert [task.exception() for _, task in traffic.clients] == [None] * MAX_QUEUED

    asyncio.run(live())


# Saturation


class Simulation:
    """Workers that take `overhead + cost / speed` seconds for a call, and clients with lengths.

    `pace` is what the speed is multiplied by at a time.
    """

    speed, overhead_s, beams = 60_000.0, 0.006, 4

    def __init__(
        self, *, workers: int, max_queued_texts: int, pace: Callable[[float], float] = lambda _: 1.0
    ) -> None:
        self.now = 0.0
        self.random = random.Random(7)
        self.tally = Tally()
        self.tokens_in_time = 0
        self.late = self.answered = 0
        self._events: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()
        self._pace = pace
        rule = BatchRule(max_tokens=32_768, padded_length=padded)
        self.scheduler: Scheduler[int, int] = Scheduler(
            self._run,
            workers=lambda: workers,
            rule=rule,
            max_queued_texts=max_queued_texts,
            observer=self.tally,
            clock=lambda: self.now,
        )

    def length(self) -> int:
        """Source tokens of a text: median 245, mean 300, a few that reach the model's limit."""
        return max(8, min(1_024, round(self.random.lognormvariate(5.5, 0.7))))

    async def sleep(self, seconds: float) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._events, (self.now + seconds, next(self._order), done))
        await done

    async def client(self, left_s: float | None) -> None:
        tokens, began = self.length(), self.now
        work = Work(payload=tokens, key=object(), tokens=tokens, width=self.beams, group=self.beams)
        try:
            await self.scheduler.submit([work], None if left_s is None else began + left_s)
        except ServiceError:
            return
        self.answered += 1
        if left_s is not None and self.now > began + left_s:
            self.late += 1
        else:
            self.tokens_in_time += tokens

    def play(self, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Lets a story run to its end."""

        async def live() -> None:
            task = asyncio.create_task(story())
            await turn()
            while self._events:
                self.now, _, done = heapq.heappop(self._events)
                done.set_result(None)
                await turn()
            await task

        asyncio.run(live())

    async def _run(self, lengths: Sequence[int]) -> list[int]:
        cost = len(lengths) * padded(max(lengths)) * self.beams
        await self.sleep(self.overhead_s + cost / (self.speed * self._pace(self.now)))
        return list(lengths)


def closed_loop(clients: int, requests: int) -> Simulation:
    """Clients who each ask again as soon as they are answered."""
    simulation = Simulation(workers=2, max_queued_texts=64)

    async def ask() -> None:
        for _ in range(requests // clients):
            await simulation.client(None)

    async def story() -> None:
        await asyncio.gather(*(ask() for _ in range(clients)))

    simulation.play(story)
    return simulation


def test_at_saturation_little_is_padding() -> None:
    of = closed_loop(clients=48, requests=1_500).tally.of
    alone = Simulation(workers=1, max_queued_texts=1)
    lengths = [alone.length() for _ in range(1_500)]
    grid_waste = 1 - sum(lengths) / sum(map(padded, lengths))
    waste = 1 - of["tokens"] / of["padded_tokens"]
    assert waste < 0.15
    assert waste < grid_waste + 0.03  # of which mixing lengths adds little


def open_loop(per_s: float, requests: int, pace: Callable[[float], float]) -> Simulation:
    """Clients who come at random, and have two seconds each."""
    simulation = Simulation(workers=2, max_queued_texts=10_000, pace=pace)

    async def story() -> None:
        clients = []
        for _ in range(requests):
            await simulation.sleep(simulation.random.expovariate(per_s))
            clients.append(asyncio.create_task(simulation.client(2.0)))
        await asyncio.gather(*clients)

    simulation.play(story)
    return simulation


def test_at_twice_the_capacity_what_is_taken_is_in_time_and_as_much_as_the_capacity() -> None:
    full = closed_loop(clients=48, requests=1_500)
    simulation = open_loop(2 * full.answered / full.now, 2_000, lambda _: 1.0)
    assert simulation.late + simulation.tally.of["missed"] <= 0.01 * simulation.answered
    assert simulation.tally.of["refused"] > 500
    assert simulation.tokens_in_time / simulation.now > 0.9 * full.tokens_in_time / full.now


def test_on_a_machine_that_slows_down_little_is_run_in_vain() -> None:
    full = closed_loop(clients=48, requests=1_500)
    slowed = 0.5  # for five seconds in ten, without a word
    simulation = open_loop(
        2 * full.answered / full.now, 2_000, lambda now: slowed if now % 10 > 5 else 1.0
    )
    capacity = (1 + slowed) / 2 * full.tokens_in_time / full.now
    # 62 where whoever waited in vain was run, of as many.
    assert simulation.late <= 0.04 * simulation.answered
    assert simulation.tokens_in_time / simulation.now > 0.95 * capacity


def test_an_idle_service_runs_every_text_alone_and_at_once() -> None:
    simulation = closed_loop(clients=1, requests=50)
    of = simulation.tally.of
    lengths = Simulation(workers=1, max_queued_texts=1)
    work = sum(padded(lengths.length()) for _ in range(50)) * Simulation.beams
    assert simulation.now - (50 * Simulation.overhead_s + work / Simulation.speed) < 1e-9
    assert of["started"] == 50
