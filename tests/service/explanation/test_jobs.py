"""Jobs are bounded in number, in time and in bytes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service.errors import DeadlinePassed, NotFound, Overloaded
from service.explanation.jobs import Jobs


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def jobs_with(clock: Clock | None = None, **changes: Any) -> Jobs:
    given = {"most_running": 3, "timeout_s": 60.0, "kept_s": 100.0, "max_bytes": 10}
    return Jobs(**given | changes, clock=clock or Clock())


async def coming_to(result: bytes) -> bytes:
    return result


def nothing() -> None:
    pass


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_result_is_kept_for_its_time() -> None:
    clock = Clock()
    jobs = jobs_with(clock)
    job = jobs.start(coming_to(b"done"), nothing)
    assert jobs.find(job).state == "running"
    await turn()
    assert (jobs.find(job).state, jobs.find(job).result) == ("done", b"done")
    clock.now = 99.0
    assert jobs.find(job).state == "done"
    clock.now = 100.0
    with pytest.raises(NotFound):
        jobs.find(job)


async def test_what_is_too_much_is_forgotten_the_oldest_first() -> None:
    jobs = jobs_with()
    found = []
    for result in (b"1234", b"5678", b"90"):
        found.append(jobs.start(coming_to(result), nothing))
        await turn()
    assert jobs.kept_bytes == 10
    last = jobs.start(coming_to(b"x"), nothing)
    await turn()
    with pytest.raises(NotFound):
        jobs.find(found[0])
    assert [jobs.find(job).result for job in [*found[1:], last]] == [b"5678", b"90", b"x"]
    large = jobs.start(coming_to(b"x" * 11), nothing)
    await turn()
    with pytest.raises(NotFound):
        jobs.find(large)
    assert jobs.kept_bytes == 0


async def test_so_many_run_and_no_more() -> None:
    jobs, gate, released = jobs_with(), asyncio.Event(), []

    async def work() -> bytes:
        await gate.wait()
        return b"x"

    for _ in range(3):
        jobs.start(work(), lambda: released.append(1))
    with pytest.raises(Overloaded, match="3 explanations run, at most 3 may"):
        jobs.start(work(), lambda: released.append(2))
    assert released == [2]
    gate.set()
    await turn()
    assert (jobs.running, released) == (0, [2, 1, 1, 1])
    jobs.check_room()


async def test_what_takes_too_long_fails() -> None:
    jobs = jobs_with(timeout_s=0.01)
    job = jobs.start(asyncio.sleep(60), nothing)  # type: ignore[arg-type]
    while jobs.running:
        await asyncio.sleep(0.005)
    assert isinstance(jobs.find(job).result, DeadlinePassed)
    assert jobs.find(job).state == "failed"


async def test_one_that_is_given_up_at_once_is_released_too() -> None:
    jobs, released = jobs_with(), []
    job = jobs.start(coming_to(b"x"), lambda: released.append(1))
    jobs.cancel(job)
    await turn()
    assert (jobs.running, released) == (0, [1])
    with pytest.raises(NotFound):
        jobs.find(job)


async def test_closing_ends_all() -> None:
    jobs, gate = jobs_with(), asyncio.Event()

    async def work() -> bytes:
        await gate.wait()
        return b""

    ran = [jobs.start(work(), nothing) for _ in range(2)]
    await turn()
    await jobs.close()
    assert jobs.running == 0
    for job in ran:
        with pytest.raises(NotFound):
            jobs.find(job)
