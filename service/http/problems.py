"""Errors on the wire: their statuses, and the one body that clients of every protocol understand.

RFC 9457, with the fields beside it that other servers' clients show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.errors import (
    DeadlinePassed,
    HeadersTooLarge,
    InternalError,
    MalformedRequest,
    NotFound,
    NotReady,
    OutOfMemory,
    Overloaded,
    RequestTimeout,
    RequestTooLarge,
    RuleBroken,
    ServiceError,
    TooManyConnections,
    UnsupportedMediaType,
    WorkerLost,
)

PROBLEM_MEDIA_TYPE = "application/problem+json"
MAX_DETAIL = 1000  # characters; it stands twice in a body, which stays under 4 kB

_STATUS: dict[type[ServiceError], HTTPStatus] = {
    MalformedRequest: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    RequestTimeout: HTTPStatus.REQUEST_TIMEOUT,
    RequestTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    RuleBroken: HTTPStatus.UNPROCESSABLE_ENTITY,
    Overloaded: HTTPStatus.TOO_MANY_REQUESTS,
    HeadersTooLarge: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    TooManyConnections: HTTPStatus.SERVICE_UNAVAILABLE,
    NotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    DeadlinePassed: HTTPStatus.TOO_MANY_REQUESTS,
    WorkerLost: HTTPStatus.SERVICE_UNAVAILABLE,
    OutOfMemory: HTTPStatus.SERVICE_UNAVAILABLE,
    InternalError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The one place where an error becomes a status."""


def status_of(error: ServiceError) -> HTTPStatus:
    """The status of an error: its own or that of its nearest ancestor with one."""
    return _status_of_kind(type(error))


def _status_of_kind(kind: type[ServiceError]) -> HTTPStatus:
    found = (_STATUS[parent] for parent in kind.__mro__ if parent in _STATUS)
    return next(found, HTTPStatus.INTERNAL_SERVER_ERROR)


def statuses_by_name() -> dict[str, int]:
    """Every name that the tree of errors gives, and its status."""
    kinds = [*_STATUS, *(kind for parent in _STATUS for kind in parent.__subclasses__())]
    return {kind.name: int(_status_of_kind(kind)) for kind in kinds}


def problem_of(error: ServiceError, request_id: str) -> dict[str, Any]:
    """The error as a problem (RFC 9457)."""
    body = _problem(error.name, error.title, status_of(error), error.detail, request_id)
    if error.retry_after_s is not None:
        body["retry_after_ms"] = round(error.retry_after_s * 1000)
    return body


def problem_response(error: ServiceError, request_id: str) -> Response:
    """The error as `application/problem+json`."""
    status, body = status_of(error), problem_of(error, request_id)
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, RequestTimeout):
        headers["Connection"] = "close"  # what is still to come would be read as the next request
    return _as_response(body, status, headers)


def http_problem_response(
    status: int, headers: Mapping[str, str] | None, request_id: str
) -> Response:
    """An error of the framework (no such path, no such method) in the same body."""
    phrase = HTTPStatus(status).phrase
    body = _problem(phrase.lower().replace(" ", "-"), phrase, status, f"{phrase}.", request_id)
    return _as_response(body, status, headers or {})


def _problem(name: str, title: str, status: int, detail: str, request_id: str) -> dict[str, Any]:
    shown = detail if len(detail) <= MAX_DETAIL else f"{detail[: MAX_DETAIL - 1]}…"
    return {
        "type": f"urn:attention-summarizer:problem:{name}",
        "title": title,
        "status": int(status),
        "detail": shown,
        "instance": _instance(request_id),
        "error": f"{title}: {shown}",  # what clients of Hugging Face, KServe and TF Serving show
        "error_type": name,
    }


def _instance(request_id: str) -> str:
    try:
        return UUID(request_id).urn
    except ValueError:
        return f"urn:attention-summarizer:request:{request_id}"


class _ProblemResponse(Response):
    """Leaves the error's name with the request, for whoever counts and logs it."""

    media_type = PROBLEM_MEDIA_TYPE

    def __init__(self, name: str, content: bytes, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(content, status, headers)
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["error_type"] = self._name
        await super().__call__(scope, receive, send)


def _as_response(body: dict[str, Any], status: int, headers: Mapping[str, str]) -> Response:
    return _ProblemResponse(body["error_type"], orjson.dumps(body), status, headers)
