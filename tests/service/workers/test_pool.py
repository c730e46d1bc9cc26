"""Worker processes: real ones, which load something light and fail as they are told to."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.artifact import ArtifactError
from service.errors import NotReady, OutOfMemory, TextTooLong, WorkerLost
from service.predictor import DeviceUnavailable
from service.workers.idle import IdleWorkers
from service.workers.link import WorkerLink
from service.workers.messages import RemoteTraceback
from service.workers.pool import WorkerPool
from service.workers.process import NICENESS
from service.workers.slot import BackOff, WorkerEvent

ROOT = Path(__file__).parents[3]
TARGETS = "tests.service.workers.targets"
FAST = BackOff(first_s=0.02, longest_s=0.1, reset_after_s=60)
HANG_S = 60.0  # far longer than any test's request: who waits for it hangs

Start = Callable[..., Awaitable[WorkerPool]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts pools, and ends them with the test."""
    pools: list[WorkerPool] = []

    async def started(count: int = 1, **options: Any) -> WorkerPool:
        arguments = options.pop("arguments", {})
        defaults = {"hang_timeout_s": HANG_S, "back_off": FAST}
        pool = WorkerPool(f"{TARGETS}:load", arguments, count=count, **{**defaults, **options})
        pools.append(pool)
        await pool.start()
        return pool

    yield started
    for pool in pools:
        pool.kill()
        await pool.close(grace_s=0)


async def until(condition: Callable[[], bool], what: str) -> None:
    """Waits for what another process does."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        await asyncio.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether there is such a process, a zombie aside."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def none_runs(pids: Iterable[int]) -> bool:
    return not any(map(is_running, pids))


def pids_in(directory: Path) -> list[int]:
    """The workers that have left their number there."""
    return [int(path.name) for path in directory.iterdir()]


# ------------------------------------------------------------------------------------- requests


async def test_a_request_is_answered_in_another_process(start: Start) -> None:
    pool = await start()
    assert await pool.run(("echo", {"some": ("thing", 7)})) == {"some": ("thing", 7)}
    assert [await pool.run(("pid", None))] == pool.pids
    assert pool.pids != [os.getpid()]


async def test_the_first_worker_tells_of_itself_once_all_are_loaded(start: Start) -> None:
    pool = WorkerPool(f"{TARGETS}:load", {"a": 1}, count=2, hang_timeout_s=HANG_S)
    try:
        info = await pool.start()
        assert info["given"] == {"a": 1}
        assert info["pid"] == pool.pids[0]
        assert pool.alive == pool.idle == 2
    finally:
        await pool.close(grace_s=0)


@pytest.mark.parametrize("size", [0, 1, 4_000, 65_536, 1_000_000])
async def test_arrays_arrive_as_they_were_and_can_be_written_to(start: Start, size: int) -> None:
    pool = await start()
    array = np.random.default_rng(7).random(size, np.float32)
    doubled = await pool.run(("double", array))
    np.testing.assert_array_equal(doubled, array * 2)
    assert doubled.flags.writeable
    both = await pool.run(("echo", {"a": array, "b": array[::2].reshape(-1, 1), "c": "text"}))
    np.testing.assert_array_equal(both["a"], array)
    np.testing.assert_array_equal(both["b"][:, 0], array[::2])
    assert both["c"] == "text"


async def test_workers_work_at_the_same_time(start: Start, tmp_path: Path) -> None:
    pool = await start(3)
    calls = [pool.run(("rendezvous", (str(tmp_path), 3))) for _ in range(3)]
    assert sorted(await asyncio.gather(*calls)) == sorted(pool.pids)


async def test_many_requests_wait_for_few_workers_and_each_gets_its_own_reply(
    start: Start,
) -> None:
    pool = await start(2)
    requests = range(300)
    assert await asyncio.gather(*(pool.run(("echo", n)) for n in requests)) == [*requests]
    assert pool.idle == 2


async def test_who_leaves_while_waiting_takes_no_worker(start: Start) -> None:
    pool = await start()
    running = asyncio.create_task(pool.run(("sleep", 0.3)))
    waiting = [asyncio.create_task(pool.run(("echo", n))) for n in range(2)]
    await asyncio.sleep(0.05)
    waiting[0].cancel()
    await running
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1] == 1
    assert pool.idle == 1


async def test_who_leaves_in_the_moment_a_worker_is_handed_out_leaves_it_to_the_next() -> None:
    idle, link = IdleWorkers(), WorkerLink({})
    first, second = (asyncio.create_task(idle.get()) for _ in range(2))
    await asyncio.sleep(0)
    idle.put(link)
    first.cancel()
    assert await asyncio.wait_for(second, timeout=30) is link
    link.kill()  # it may be starting yet: asked to end, it would not do so in time
    await link.ended()


async def test_a_worker_yields_to_the_process_that_answers_clients(start: Start) -> None:
    pool = await start()
    (pid,) = pool.pids
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, ours + NICENESS)


async def test_a_caller_who_leaves_neither_stops_the_work_nor_spoils_the_next_reply(
    start: Start,
) -> None:
    pool = await start()
    (pid,) = pool.pids
    call = asyncio.create_task(pool.run(("sleep", 0.3)))
    await asyncio.sleep(0.05)
    call.cancel()
    assert await pool.run(("echo", "mine")) == "mine"
    assert pool.pids == [pid]


# --------------------------------------------------------------------------------------- errors


async def test_an_error_arrives_as_itself_and_the_worker_lives_on(start: Start) -> None:
    pool = await start()
    (pid,) = pool.pids
    with pytest.raises(ValueError, match=r"^mine$") as raised:
        await pool.run(("fail", "value"))
    assert isinstance(raised.value.__cause__, RemoteTraceback)
    assert "workers/targets.py" in str(raised.value.__cause__)
    assert await pool.run(("pid", None)) == pid


async def test_an_error_of_the_service_keeps_its_type_and_what_it_knows(start: Start) -> None:
    pool = await start()
    with pytest.raises(TextTooLong) as raised:
        await pool.run(("fail", "too long"))
    error = raised.value
    assert (error.index, error.tokens, error.limit) == (3, 9, 8)
    assert error.detail == str(error) == "inputs[3] has 9 tokens; the model reads at most 8"
    with pytest.raises(OutOfMemory) as starved:
        await pool.run(("fail", "memory"))
    assert starved.value.retry_after_s == 5


async def test_an_error_that_cannot_travel_is_told_by_its_name_alone(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = await start()
    monkeypatch.syspath_prepend(tmp_path)  # we could import it, as we could TensorFlow
    with pytest.raises(RuntimeError, match=r"^UnpicklableError$"):
        await pool.run(("fail", "unpicklable"))
    with pytest.raises(RuntimeError, match=r"^Mine$"):
        await pool.run(("fail abroad", str(tmp_path)))
    assert "only_in_the_worker" not in sys.modules
    assert pool.health.restarts == 0


async def test_what_cannot_be_pickled_fails_alone(start: Start) -> None:
    pool = await start()
    (pid,) = pool.pids
    with pytest.raises((AttributeError, TypeError, RuntimeError)):
        await pool.run(("echo", lambda: None))
    with pytest.raises((AttributeError, TypeError, RuntimeError)):
        await pool.run(("lambda", None))
    assert await pool.run(("pid", None)) == pid


# ------------------------------------------------------------------------------------- starting


@pytest.mark.parametrize(
    ("target", "error"),
    [("artifact", ArtifactError), ("device", DeviceUnavailable)],
)
async def test_a_first_load_that_fails_raises_what_the_worker_raised(
    target: str, error: type[Exception]
) -> None:
    events: list[WorkerEvent] = []
    pool = WorkerPool(
        f"{TARGETS}:load_nothing", target, count=2, hang_timeout_s=HANG_S, on_event=events.append
    )
    with pytest.raises(error, match=r"^what is wrong$"):
        await pool.start()
    assert pool.pids == events == []
    assert not pool.health.is_ready


@pytest.mark.parametrize("target", [f"{TARGETS}:nothing", "no_such_module:load"])
async def test_a_target_that_is_not_there_fails_the_start(target: str) -> None:
    pool = WorkerPool(target, None, count=1, hang_timeout_s=HANG_S)
    with pytest.raises((AttributeError, ModuleNotFoundError)):
        await pool.start()


async def test_a_first_load_that_dies_or_takes_too_long_is_a_lost_worker(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    dying = WorkerPool(f"{TARGETS}:load", {"die_if": str(flag)}, count=1, hang_timeout_s=HANG_S)
    with pytest.raises(WorkerLost, match="ended with status 9 while it loaded"):
        await dying.start()
    slow = WorkerPool(
        f"{TARGETS}:load_forever",
        str(tmp_path),
        count=1,
        hang_timeout_s=HANG_S,
        load_timeout_s=0.5,
    )
    with pytest.raises(WorkerLost, match=r"gave no sign for 0\.5 s while it loaded"):
        await slow.start()


async def test_workers_get_their_environment_and_ignore_stops(start: Start) -> None:
    pool = await start(environment={"TF_NUM_INTRAOP_THREADS": "1"})
    assert await pool.run(("environment", "TF_NUM_INTRAOP_THREADS")) == "1"
    blocked, handlers = await pool.run(("signals", None))
    assert not blocked & {signal.SIGINT, signal.SIGTERM}
    assert handlers == [signal.SIG_IGN] * 2


async def test_each_worker_has_a_processor_of_its_own_if_asked_for(start: Start) -> None:
    ours = sorted(os.sched_getaffinity(0))
    pool = await start(2, pin=True)
    cores = [os.sched_getaffinity(pid) for pid in pool.pids]
    assert cores == [{ours[number % len(ours)]} for number in range(2)]
    free = await start(1)
    assert await free.run(("cores", None)) == {*ours}


async def test_what_a_worker_says_comes_out_as_it_is(
    start: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    pool = await start()
    await pool.run(("say", "a line of a worker's"))
    assert "a line of a worker's\n" in capfd.readouterr().err.splitlines(keepends=True)


# --------------------------------------------------------------------------------- lost workers


@pytest.mark.parametrize(
    ("request_", "how"),
    [
        (("exit", 3), "ended with status 3"),
        (("exit", 0), "ended with status 0"),
        (("segfault", None), "was ended by SIGSEGV"),
        (("sleep", 600), "was ended by SIGKILL"),
    ],
)
async def test_a_worker_that_dies_fails_its_request_alone_and_is_replaced(
    start: Start, request_: tuple[str, Any], how: str
) -> None:
    events: list[WorkerEvent] = []
    pool = await start(2, on_event=events.append)
    before = {*pool.pids}
    lost = asyncio.create_task(pool.run(request_))
    if request_ == ("sleep", 600):
        await until(lambda: pool.idle == 1, "at work")
        for pid in before - {await pool.run(("pid", None))}:
            os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerLost):
        await asyncio.wait_for(lost, timeout=30)
    assert await pool.run(("echo", "others")) == "others"
    await until(lambda: pool.alive == 2, "replaced")
    assert len(before & {*pool.pids}) == 1
    assert [event.kind for event in events] == ["died", "restarted"]
    assert events[0].detail == how
    assert pool.health.restarts == 1
    assert how in str(pool.health.last_loss)


async def test_a_worker_that_hangs_is_killed_and_replaced(start: Start) -> None:
    events: list[WorkerEvent] = []
    pool = await start(2, hang_timeout_s=1.0, on_event=events.append)
    before = {*pool.pids}
    with pytest.raises(WorkerLost):
        await asyncio.wait_for(pool.run(("sleep", 600)), timeout=30)
    assert await pool.run(("echo", 7)) == 7
    await until(lambda: pool.alive == 2, "replaced")
    assert none_runs(before - {*pool.pids})
    assert [event.kind for event in events] == ["hung", "restarted"]
    assert events[0].detail == "was killed since it gave no sign for 1 s"


async def test_a_worker_that_gives_signs_of_life_may_take_longer(start: Start) -> None:
    events: list[WorkerEvent] = []
    pool = await start(hang_timeout_s=1.0, on_event=events.append)
    assert await pool.run(("get on", 8)) == 8  # in 2.4 s
    assert events == []
    with pytest.raises(WorkerLost):  # whose time begins anew with each request
        await asyncio.wait_for(pool.run(("sleep", 600)), timeout=30)


async def test_a_stopped_process_that_reads_nothing_counts_as_hung(start: Start) -> None:
    pool = await start(hang_timeout_s=1.0)
    (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(WorkerLost):
        await asyncio.wait_for(pool.run(("echo", np.zeros(10**7))), timeout=30)
    await until(lambda: pool.alive == 1, "replaced")
    assert none_runs([pid])


async def test_a_worker_that_dies_while_idle_is_replaced_before_it_is_asked(start: Start) -> None:
    pool = await start()
    (before,) = pool.pids
    os.kill(before, signal.SIGKILL)
    await until(lambda: pool.alive == 0, "lost")
    assert pool.idle == 0
    assert not pool.health.is_ready
    assert await pool.run(("pid", None)) != before
    assert pool.health.is_ready
    assert pool.health.unable_s == 0


async def test_replacements_that_cannot_load_are_tried_again_less_and_less_often(
    start: Start, tmp_path: Path
) -> None:
    flag, events = tmp_path / "flag", []
    pool = await start(arguments={"die_if": str(flag)}, on_event=events.append)
    flag.touch()
    with pytest.raises(WorkerLost):
        await pool.run(("exit", 1))
    await until(lambda: len(events) >= 8, "tried again and again")
    assert not pool.health.is_ready
    assert pool.health.unable_s > 0
    flag.unlink()
    await until(lambda: pool.alive == 1, "another worker")
    assert await pool.run(("echo", "well again")) == "well again"
    kinds = [event.kind for event in events]
    assert kinds == ["died", *["load_failed"] * (len(kinds) - 2), "restarted"]
    assert pool.health.restarts == 1


async def test_where_workers_are_lost_whatever_they_do_nobody_waits_for_the_next(
    start: Start, tmp_path: Path
) -> None:
    flag, events = tmp_path / "flag", list[WorkerEvent]()
    pool = await start(arguments={"die_if": str(flag)}, on_event=events.append)
    for _ in range(2):
        with pytest.raises(WorkerLost, match="while it worked"):
            await pool.run(("exit", 9))
    await until(lambda: pool.alive == 1, "another worker")
    assert await pool.run(("echo", "well")) == "well"  # the row begins anew
    flag.touch()
    with pytest.raises(WorkerLost, match="while it worked"):
        await pool.run(("exit", 9))
    waiting = [asyncio.create_task(pool.run(("echo", n))) for n in range(3)]
    for task in waiting:
        with pytest.raises(WorkerLost, match="whatever they do") as error:
            await task
        assert error.value.retry_after_s == 5
    losses = len([event for event in events if event.kind != "restarted"])
    assert losses == 2 + 5
    with pytest.raises(WorkerLost, match="whatever they do"):
        await pool.run(("echo", "at once"))
    flag.unlink()
    await until(lambda: pool.alive == 1, "another worker")
    assert await pool.run(("echo", "well again")) == "well again"


def test_the_back_off_starts_at_once_doubles_and_is_bounded() -> None:
    back_off = BackOff(first_s=0.5, longest_s=30)
    delays = [back_off.delay_s(losses) for losses in range(1, 10_000)]
    assert delays[:8] == [0, 0.5, 1, 2, 4, 8, 16, 30]
    assert set(delays[8:]) == {30}


async def test_a_worker_that_worked_well_ends_the_row_of_losses(start: Start) -> None:
    """Without the end, the third loss would wait for a minute."""
    back_off = BackOff(first_s=60, longest_s=60, reset_after_s=0)
    pool = await start(back_off=back_off)
    for _ in range(3):
        with pytest.raises(WorkerLost):
            await pool.run(("exit", 1))
        assert await asyncio.wait_for(pool.run(("echo", 7)), timeout=30) == 7


async def test_descriptors_do_not_leak_over_restarts(start: Start) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    pool = await start(back_off=BackOff(reset_after_s=0))
    ours, theirs = descriptors(), await pool.run(("descriptors", None))
    for _ in range(20):
        with pytest.raises(WorkerLost):
            await pool.run(("exit", 0))
        assert await pool.run(("descriptors", None)) == theirs
    assert descriptors() == ours
    assert pool.health.restarts == 20


# ------------------------------------------------------------------------------------- stopping


async def test_closing_lets_running_requests_finish_and_refuses_the_others(start: Start) -> None:
    pool = await start()
    (pid,) = pool.pids
    running = asyncio.create_task(pool.run(("sleep", 0.3)))
    waiting = asyncio.create_task(pool.run(("echo", 1)))
    await asyncio.sleep(0.05)
    closing = asyncio.create_task(pool.close(grace_s=30))
    with pytest.raises(NotReady):
        await waiting
    assert not pool.health.is_ready
    assert await running is None
    await closing
    assert none_runs([pid])
    with pytest.raises(NotReady):
        await pool.run(("echo", 1))
    await pool.close(grace_s=0)


async def test_closing_kills_what_outlasts_the_grace_period(start: Start) -> None:
    pool = await start(2)
    pids = pool.pids
    running = asyncio.create_task(pool.run(("sleep", 600)))
    await asyncio.sleep(0.05)
    await asyncio.wait_for(pool.close(grace_s=0.1), timeout=30)
    with pytest.raises(WorkerLost):
        await running
    assert none_runs(pids)
    assert pool.health.restarts == 0


async def test_killing_ends_all_at_once(start: Start) -> None:
    pool = await start(2)
    pids = pool.pids
    running = asyncio.create_task(pool.run(("sleep", 600)))
    await asyncio.sleep(0.05)
    pool.kill()
    with pytest.raises(WorkerLost):
        await asyncio.wait_for(running, timeout=30)
    await until(lambda: none_runs(pids), "killed")


@pytest.mark.parametrize("how", ["close", "cancel"])
async def test_a_load_is_ended_by_closing_and_by_leaving(tmp_path: Path, how: str) -> None:
    pool = WorkerPool(f"{TARGETS}:load_forever", str(tmp_path), count=2, hang_timeout_s=HANG_S)
    starting = asyncio.create_task(pool.start())
    await until(lambda: len(pids_in(tmp_path)) == 2, "loading")
    if how == "close":
        await asyncio.wait_for(pool.close(grace_s=30), timeout=10)
        with pytest.raises(NotReady):
            await starting
    else:
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(starting, timeout=10)
    await until(lambda: none_runs(pids_in(tmp_path)), "ended")
    assert pool.pids == []


async def test_closing_does_not_wait_for_a_back_off(start: Start, tmp_path: Path) -> None:
    flag, events = tmp_path / "flag", []
    back_off = BackOff(first_s=600, longest_s=600)
    pool = await start(arguments={"die_if": str(flag)}, back_off=back_off, on_event=events.append)
    flag.touch()
    with pytest.raises(WorkerLost):
        await pool.run(("exit", 1))
    await until(lambda: len(events) == 2, "waits to be tried again")
    await asyncio.wait_for(pool.close(grace_s=30), timeout=10)


# ----------------------------------------------------------------- processes around the pool

PARENT = """
import asyncio, sys
from service.workers.pool import WorkerPool

async def main(target, arguments, busy):
    pool = WorkerPool("tests.service.workers.targets:" + target, arguments, count=2,
                      hang_timeout_s=600)
    await pool.start()
    print("started", flush=True)
    if busy:
        await asyncio.gather(*(pool.run(("sleep", 600)) for _ in range(2)))
    await asyncio.sleep(600)

directory, mode = sys.argv[1:]
loading = mode == "loading"
asyncio.run(main("load_forever" if loading else "load",
                 directory if loading else {"pids": directory}, mode == "busy"))
"""

DRAINING = """
import asyncio, signal
from service.workers.pool import WorkerPool

async def main():
    pool = WorkerPool("tests.service.workers.targets:load", {}, count=2, hang_timeout_s=600)
    await pool.start()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    call = asyncio.create_task(pool.run(("sleep", 1)))
    print("started", flush=True)
    await stop.wait()
    await call
    print(await pool.run(("echo", "drained")), pool.health.restarts, flush=True)
    await pool.close(grace_s=10)

asyncio.run(main())
"""

EARLY = """
import asyncio, os, signal
from service.workers.pool import WorkerPool

async def main():
    heard = []
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, heard.append, number)
    pool = WorkerPool("tests.service.workers.targets:load", {}, count=2, hang_timeout_s=600)
    starting = asyncio.create_task(pool.start())
    while not starting.done():
        os.killpg(0, signal.SIGINT)
        os.killpg(0, signal.SIGTERM)
        await asyncio.sleep(0.001)
    await starting
    print({*heard} == {signal.SIGINT, signal.SIGTERM}, pool.alive, flush=True)
    await pool.close(grace_s=10)

asyncio.run(main())
"""


def parent(script: str, *arguments: str) -> subprocess.Popen[str]:
    """A process with a pool, and a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("mode", ["loading", "idle", "busy"])
async def test_no_worker_outlives_a_parent_that_is_killed(tmp_path: Path, mode: str) -> None:
    with parent(PARENT, str(tmp_path), mode) as process:
        try:
            await until(lambda: len(pids_in(tmp_path)) == 2, "loading")
            if mode != "loading":
                assert process.stdout is not None
                assert process.stdout.readline() == "started\n"
        finally:
            process.kill()
    await until(lambda: none_runs(pids_in(tmp_path)), "the workers of a killed parent end")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_of_the_whole_group_lets_the_parent_drain(number: signal.Signals) -> None:
    with parent(DRAINING) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
            os.killpg(process.pid, number)
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert said == "drained 0\n"
    assert process.returncode == 0


def test_a_stop_of_the_whole_group_ends_no_worker_that_is_just_starting() -> None:
    with parent(EARLY) as process:
        try:
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert said == "True 2\n"
    assert process.returncode == 0
