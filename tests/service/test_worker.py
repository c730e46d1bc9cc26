"""The thread in which the model runs, and the queue before it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from service.errors import NotReady, Overloaded
from service.predictor import NoObserver
from service.worker import InferenceThread


@pytest.fixture
async def thread() -> AsyncIterator[InferenceThread]:
    thread = InferenceThread(max_texts=4)
    yield thread
    await thread.close()


async def started(
    thread: InferenceThread, texts: int
) -> tuple[asyncio.Task[object], threading.Event]:
    """Work that goes on until the event is set."""
    release, running = threading.Event(), threading.Event()

    def work() -> str:
        running.set()
        release.wait()
        return "done"

    task: asyncio.Task[object] = asyncio.create_task(thread.run(work, texts))
    await asyncio.to_thread(running.wait)
    return task, release


async def test_work_runs_outside_the_event_loop_and_says_how_long_it_waited(
    thread: InferenceThread,
) -> None:
    name, waited = await thread.run(lambda: threading.current_thread().name, 1)
    assert name.startswith("inference")
    assert 0 <= waited < 5


async def test_an_error_reaches_the_one_who_asked(thread: InferenceThread) -> None:
    def fail() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await thread.run(fail, 1)
    assert (await thread.run(lambda: 7, 1))[0] == 7


async def test_texts_are_counted_one_by_one_and_refused_at_once_when_too_many_wait(
    thread: InferenceThread,
) -> None:
    task, release = await started(thread, 3)
    fitting = asyncio.create_task(thread.run(lambda: "fits", 1))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as raised:
        await thread.run(lambda: "refused", 1)
    assert raised.value.retry_after_s is not None
    assert raised.value.retry_after_s >= 1
    release.set()
    assert (await fitting)[0] == "fits"
    await task
    assert (await thread.run(lambda: "again", 4))[0] == "again"


async def test_an_idle_thread_takes_more_texts_than_may_wait(thread: InferenceThread) -> None:
    assert (await thread.run(lambda: "large", 32))[0] == "large"


async def test_a_client_that_leaves_frees_its_place_only_when_the_work_has_ended(
    thread: InferenceThread,
) -> None:
    task, release = await started(thread, 4)
    waiting = asyncio.create_task(thread.run(lambda: "never", 1))
    await asyncio.sleep(0)
    assert (await asyncio.gather(waiting, return_exceptions=True))[0].__class__ is Overloaded
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with pytest.raises(Overloaded):
        await thread.run(lambda: "too early", 1)
    release.set()
    await thread.close()
    assert thread.texts == 0


async def test_a_closed_thread_takes_no_work() -> None:
    thread = InferenceThread(max_texts=4)
    await thread.close()
    with pytest.raises(NotReady):
        await thread.run(lambda: 1, 1)
    assert thread.texts == 0


async def test_an_observer_hears_of_the_length_of_the_queue() -> None:
    heard: list[int] = []

    class Observer(NoObserver):
        def queued(self, texts: int) -> None:
            heard.append(texts)

    thread = InferenceThread(max_texts=4, observer=Observer())
    await thread.run(lambda: None, texts=3)
    await thread.close()
    assert heard == [3, 0]
