"""How long a client waits, and what becomes of its work when it leaves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from anyio import to_thread
from fastapi import FastAPI
from starlette.requests import Request

from service.errors import Overloaded, RuleBroken
from service.http.client import ClientLeft, timeout_of, unless_left


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, 60), ("1", 0.001), ("1500", 1.5), ("0042", 0.042), ("999999999999", 60)],
)
def test_a_client_may_ask_for_less_than_the_service_gives(
    value: str | None, seconds: float
) -> None:
    headers = {} if value is None else {"X-Request-Timeout-Ms": value}
    assert timeout_of(httpx.Headers(headers), 60) == seconds


@pytest.mark.parametrize("value", ["", "0", "-1", "1.5", "1e3", "soon", "٣", "9" * 13])
def test_a_timeout_that_is_no_number_of_milliseconds_is_refused(value: str) -> None:
    with pytest.raises(RuleBroken, match="X-Request-Timeout-Ms must be a whole number") as raised:
        timeout_of({"X-Request-Timeout-Ms": value}, 60)
    assert not value or value not in raised.value.detail.removeprefix("X-Request")


def request_that(receive: Any) -> Request:
    return Request({"type": "http"}, receive)


async def never() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


async def test_work_that_ends_first_is_the_answer() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert await unless_left(request_that(never), work()) == 7


async def test_an_error_of_the_work_is_the_requests() -> None:
    async def work() -> int:
        raise RuleBroken("rule")

    with pytest.raises(RuleBroken, match="rule"):
        await unless_left(request_that(never), work())


async def test_work_is_cancelled_when_its_client_leaves() -> None:
    ended = asyncio.Event()

    async def work() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return 0

    messages = iter([{"type": "http.request"}, {"type": "http.disconnect"}])

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return next(messages)

    with pytest.raises(ClientLeft):
        await unless_left(request_that(receive), work())
    assert ended.is_set()


async def test_a_cancelled_request_cancels_its_work() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(unless_left(request_that(never), work()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_the_timeout_reaches_the_predictor(
    app: FastAPI, client: httpx.AsyncClient, predictor: Any, text: str
) -> None:
    answer = await client.post(
        "/predict", json={"inputs": text}, headers={"X-Request-Timeout-Ms": "1500"}
    )
    assert answer.status_code == 200
    await client.post("/predict", json={"inputs": text})
    less, full = predictor.timeouts
    assert 1 < less <= 1.5
    assert 50 < full <= 60
    refused = await client.post(
        "/predict", json={"inputs": text}, headers={"X-Request-Timeout-Ms": "-5"}
    )
    assert refused.status_code == 422


@asynccontextmanager
async def all_threads_busy() -> AsyncIterator[Callable[[], None]]:
    """Until the block ends, or what it gives is called."""
    limiter = to_thread.current_default_thread_limiter()
    usual, limiter.total_tokens = limiter.total_tokens, 1
    release = threading.Event()
    busy = asyncio.create_task(to_thread.run_sync(release.wait))
    await asyncio.sleep(0.01)
    try:
        yield release.set
    finally:
        release.set()
        await busy
        limiter.total_tokens = usual


async def test_an_answer_that_waited_too_long_to_be_written_is_not_given(
    client: httpx.AsyncClient, text: str
) -> None:
    """Many answers are written in threads, and there are only so many of those."""
    headers = {"X-Request-Timeout-Ms": "100"}
    async with all_threads_busy() as release:
        asked = asyncio.create_task(client.post("/predict", json={"inputs": text}, headers=headers))
        await asyncio.sleep(0.3)
        assert not asked.done()
        release()
        answer = await asked
    assert answer.status_code == 429
    assert answer.json()["error_type"] == "deadline-passed"


async def test_what_needs_no_thread_is_answered_while_all_are_busy(
    client: httpx.AsyncClient, predictor: Any, text: str
) -> None:
    predictor.error = Overloaded("64 texts wait, at most 64 may", retry_after_s=2)
    async with all_threads_busy(), asyncio.timeout(10):
        asked = [await client.get(path) for path in ("/livez", "/readyz", "/info", "/metrics")]
        asked += [await client.post("/predict", json={"inputs": inputs}) for inputs in (text, 1)]
    assert [answer.status_code for answer in asked] == [200, 200, 200, 200, 429, 422]
