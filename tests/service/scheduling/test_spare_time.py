"""Work in the background: when the scheduler lets it in, and that texts never wait behind two."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from service.errors import NotReady
from service.scheduler import Scheduler
from service.scheduling.batch_choice import BatchRule, Work


class Workers:
    """Calls under way, each of which ends when the test says so."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}

    async def run(self, payloads: Sequence[str]) -> list[str]:
        (name,) = payloads
        self.begun.append(name)
        self._ends[name] = asyncio.Event()
        await self._ends[name].wait()
        return [name]

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await turn()


async def turn() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


def scheduler_of(workers: Workers, count: int) -> Scheduler[str, str]:
    rule = BatchRule(max_tokens=64, padded_length=lambda tokens: tokens)
    return Scheduler(workers.run, workers=lambda: count, rule=rule, max_queued_texts=8)


def work(name: str, *, background: bool = False) -> Work[str]:
    return Work(payload=name, key=name, tokens=64, width=1, group=name, background=background)


async def submitted(scheduler: Scheduler[str, str], name: str) -> asyncio.Task[list[str]]:
    task = asyncio.create_task(scheduler.submit([work(name)]))
    await turn()
    return task


async def in_background(scheduler: Scheduler[str, str], *names: str) -> asyncio.Task[None]:
    async def run() -> None:
        for name in names:
            await scheduler.spare()
            await scheduler.submit([work(name, background=True)])

    task = asyncio.create_task(run())
    await turn()
    return task


async def test_with_one_worker_it_runs_only_while_nothing_else_does() -> None:
    workers = Workers()
    scheduler = scheduler_of(workers, 1)
    text = await submitted(scheduler, "text")
    slow = await in_background(scheduler, "a", "b")
    assert workers.begun == ["text"]
    await workers.end("text")
    assert workers.begun == ["text", "a"]
    later = [await submitted(scheduler, name) for name in ("second", "third")]
    await workers.end("a")
    await workers.end("second")
    assert workers.begun == ["text", "a", "second", "third"]
    await workers.end("third")
    assert workers.begun[-1] == "b"
    await workers.end("b")
    await asyncio.gather(text, slow, *later)


@pytest.mark.parametrize(("count", "at_once"), [(1, 1), (2, 1), (4, 3)])
async def test_of_several_workers_one_stays_idle(count: int, at_once: int) -> None:
    workers = Workers()
    scheduler = scheduler_of(workers, count)
    jobs = [await in_background(scheduler, str(number)) for number in range(4)]
    assert len(workers.begun) == at_once
    text = await submitted(scheduler, "text")
    assert ("text" in workers.begun) == (count > 1)
    for _ in range(5):
        for name in list(workers.begun):
            await workers.end(name)
    await asyncio.gather(text, *jobs)


async def test_who_came_first_is_let_in_first_and_all_take_turns() -> None:
    workers = Workers()
    scheduler = scheduler_of(workers, 1)
    jobs = [
        await in_background(scheduler, "a1", "a2"),
        await in_background(scheduler, "b1", "b2"),
    ]
    for name in ("a1", "b1", "a2", "b2"):
        assert workers.begun[-1] == name
        await workers.end(name)
    await asyncio.gather(*jobs)


async def test_one_that_is_given_up_does_not_hold_up_the_next() -> None:
    workers = Workers()
    scheduler = scheduler_of(workers, 1)
    text = await submitted(scheduler, "text")
    given_up, other = [await in_background(scheduler, name) for name in ("a", "b")]
    given_up.cancel()
    await workers.end("text")
    assert workers.begun == ["text", "b"]
    await workers.end("b")
    await asyncio.gather(text, other)


async def test_it_says_nothing_of_how_fast_texts_are_done() -> None:
    workers = Workers()
    scheduler = scheduler_of(workers, 1)
    slow = await in_background(scheduler, "a")
    await asyncio.sleep(0.05)
    await workers.end("a")
    await slow
    text = asyncio.create_task(scheduler.submit([work("text")]))
    await turn()
    assert scheduler.predicted_wait_s() == pytest.approx(64 / 10_000, rel=0.5)
    await workers.end("text")
    await text


async def test_a_drain_lets_nobody_in() -> None:
    workers = Workers()
    scheduler = scheduler_of(workers, 1)
    text = await submitted(scheduler, "text")
    slow = await in_background(scheduler, "a")
    scheduler.drain()
    with pytest.raises(NotReady):
        await slow
    with pytest.raises(NotReady):
        await scheduler.spare()
    await workers.end("text")
    await text
    await scheduler.close()
