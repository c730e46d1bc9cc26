"""The client behind a request: how long it waits, and whether it still does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from starlette.requests import Request

from service.errors import RuleBroken

TIMEOUT_HEADER = "X-Request-Timeout-Ms"

CLIENT_LEFT = 499
"""What the log and the metrics call it, as nginx does; nobody is there to read it."""

Result = TypeVar("Result")


class ClientLeft(Exception):  # noqa: N818 - says what happened, as in errors
    """Nobody waits for the answer any more."""


def timeout_of(headers: Mapping[str, str], most_s: float) -> float:
    """Seconds that the request has: what it says itself, at most the service's own.

    Raises:
        RuleBroken: the header is there and no positive whole number.
    """
    value = headers.get(TIMEOUT_HEADER)
    if value is None:
        return most_s
    # Long before its digits could cost time, a number means "as long as you like".
    if not (value.isascii() and value.isdigit() and len(value) <= 12 and int(value)):
        raise RuleBroken(f"{TIMEOUT_HEADER} must be a whole number of milliseconds, 1 at least")
    return min(int(value) / 1000, most_s)


async def unless_left(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of the work, which is cancelled when the client goes.

    Args:
        request: Its body has been read.
        work: Starts at once.

    Raises:
        ClientLeft: the connection was closed before the work was done.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientLeft
    finally:
        for future in (task, watch):
            future.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
