"""What surrounds every request: its id, the headers of every answer, and the last net."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import InternalError, NotReady
from service.http.problems import problem_response

log = logging.getLogger(__name__)

_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id_of(request: Request) -> str:
    """The id that the middleware gave to the request."""
    request_id: str = request.state.request_id
    return request_id


class RequestContext:
    """Gives each request an id (the client's, if it is harmless), says so, and forbids caching.

    Args:
        app: What is surrounded.
        model_version: The version that answers, if a model is loaded.
    """

    def __init__(self, app: ASGIApp, model_version: Callable[[], str | None]) -> None:
        self._app = app
        self._model_version = model_version

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope).get("x-request-id", "")
        request_id = asked if _SAFE_ID.fullmatch(asked) else str(uuid4())
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers.setdefault("Cache-Control", "no-store")
                # A request knows by which it was done, though another take its place meanwhile.
                version = scope["state"].get("model_version") or self._model_version()
                if version:
                    headers["X-Model-Version"] = version
            await send(message)

        await self._app(scope, receive, send_with_headers)


class CatchAll:
    """Answers what nobody else caught with a 500 that shows nothing, what a stop cuts with a 503.

    Inside the application, since a server closes the connection after an error that reaches it
    and the client's next request would fail.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except ClientDisconnect:
            log.debug("a client left before its request was read")
        except asyncio.CancelledError:
            # By the server alone, when the grace period of a stop is over.
            if started:
                raise
            error = NotReady("the service has stopped before the answer was there", retry_after_s=1)
            await problem_response(error, scope["state"]["request_id"])(scope, receive, send)
        except Exception:
            request_id = scope["state"]["request_id"]
            log.exception("request %s failed", request_id)
            if started:
                raise
            await problem_response(InternalError(), request_id)(scope, receive, send)
