"""What surrounds every request, seen from ASGI."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.middleware import CatchAll, RequestContext

START: Message = {"type": "http.response.start", "status": 200, "headers": []}


async def call(app: ASGIApp, scope_type: str = "http") -> list[Any]:
    sent: list[Any] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": scope_type, "headers": []}, receive, send)
    return sent


def surrounded(app: ASGIApp) -> ASGIApp:
    return RequestContext(CatchAll(app), lambda: None)


async def test_an_error_after_the_start_of_an_answer_reaches_the_server() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        await call(surrounded(app))


async def test_a_client_that_left_is_no_fault() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ClientDisconnect

    assert await call(surrounded(app)) == []


async def test_what_a_stop_cuts_is_told_so() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    start, body = await call(surrounded(app))
    assert start["status"] == 503
    assert dict(start["headers"])[b"retry-after"] == b"1"
    assert json.loads(body["body"])["error_type"] == "not-ready"


async def test_an_answer_that_a_stop_cuts_is_no_whole_one() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await call(surrounded(app))


async def test_an_answer_may_decide_about_its_caching() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"cache-control", b"max-age=60")]})

    (start,) = await call(surrounded(app))
    assert dict(start["headers"])[b"cache-control"] == b"max-age=60"


async def test_what_is_not_http_passes_through() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})

    assert await call(surrounded(app), "lifespan") == [{"type": "lifespan.startup.complete"}]
