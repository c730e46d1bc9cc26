"""The error tree, and the one body that the clients of every protocol understand.

ServiceError
├── MalformedRequest         400  the body isn't JSON
├── NotFound                 404  nothing has this id
├── RequestTimeout           408  the request didn't arrive in time
├── RequestTooLarge          413  bytes, characters or texts over a limit
├── UnsupportedMediaType     415  a header names a format that isn't read here
├── RuleBroken               422  a field breaks a rule
│   ├── TextTooLong               a text exceeds the model and may not be cut
│   └── MatrixTooLarge            more attention weights than a response may hold
├── Overloaded               429  too much work is waiting
│   └── DeadlineUnmeetable        so much that the answer would come too late
├── DeadlinePassed           429  the time that the request had is over
├── HeadersTooLarge          431  the request line and headers are over a limit
├── TooManyConnections       503  every connection that there may be is at work
├── NotReady                 503  no model is loaded, or the service stops
├── WorkerLost               503  the model's process died or hung while it worked
├── OutOfMemory              503  the model found no memory for a single text
└── InternalError            500  a fault of ours, of which nothing is shown
    └── NonFiniteOutput           the model returned NaN or infinity

Raised anywhere in the service; only this module's last part and `app` know that HTTP exists.
Messages never repeat what the client sent.
"""

# ruff: noqa: N818 - the names say what happened, as in Starlette and httpx

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PROBLEM_MEDIA_TYPE = "application/problem+json"
MAX_DETAIL = 1000  # characters; it stands twice in a body, which stays under 4 kB


class ServiceError(Exception):
    """A request that can't be answered.

    Args:
        detail: What rule was broken or what is wrong, fit to be shown to the client.
        retry_after_s: When to come back, where that may help.
    """

    name = "internal-error"
    title = "Internal error"

    def __init__(self, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled without a call of its constructor, whose arguments differ from kind to kind."""
        return _as_it_was, (type(self), self.args), self.__dict__


def _as_it_was(kind: type[ServiceError], args: tuple[Any, ...]) -> ServiceError:
    error = kind.__new__(kind)
    error.args = args
    return error


class MalformedRequest(ServiceError):
    """The body can't be read as JSON."""

    name, title = "malformed-request", "Malformed request"


class NotFound(ServiceError):
    """Nothing has the id that the path names."""

    name, title = "not-found", "Not Found"


class RequestTimeout(ServiceError):
    """The request didn't arrive in time.

    Args:
        seconds: The time that it had.
    """

    name, title = "request-timeout", "Request timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the request has not arrived within {seconds:g} s")


class RequestTooLarge(ServiceError):
    """The body, a text or the list of texts is over a limit."""

    name, title = "request-too-large", "Request too large"


class UnsupportedMediaType(ServiceError):
    """A header names a format that isn't read here, or names none."""

    name, title = "unsupported-media-type", "Unsupported media type"


class RuleBroken(ServiceError):
    """The request is JSON but breaks a rule."""

    name, title = "invalid-request", "Invalid request"


class TextTooLong(RuleBroken):
    """A text has more tokens than the model reads, and `truncation` is `error`.

    Args:
        index: Which of the texts.
        tokens: How many it has.
        limit: How many the model reads.
        field: What the protocol calls the text.
    """

    name, title = "text-too-long", "Text too long"

    def __init__(self, index: int, tokens: int, limit: int, field: str = "the text") -> None:
        super().__init__(f"{field} has {tokens} tokens; the model reads at most {limit}")
        self.index = index
        self.tokens = tokens
        self.limit = limit

    def named(self, field: str) -> TextTooLong:
        """The same error under the name that the protocol has for the text."""
        return TextTooLong(self.index, self.tokens, self.limit, field)


class MatrixTooLarge(RuleBroken):
    """The attention matrices asked for hold too many weights."""

    name, title = "attention-too-large", "Attention too large"


class Overloaded(ServiceError):
    """Too much work is waiting."""

    name, title = "overloaded", "Model is overloaded"


class DeadlineUnmeetable(Overloaded):
    """So much work is waiting that the answer would come after the request's deadline."""

    name, title = "deadline-unmeetable", "Deadline can't be met"


class HeadersTooLarge(ServiceError):
    """The request line and the headers are over a limit."""

    name, title = "headers-too-large", "Headers too large"


class TooManyConnections(ServiceError):
    """Every connection that there may be has a request of its own under way."""

    name, title = "too-many-connections", "Too many connections"

    def __init__(self) -> None:
        super().__init__("every connection that this service may have is in use", retry_after_s=1)


class NotReady(ServiceError):
    """No model is loaded yet, or none could be loaded, or the service stops."""

    name, title = "not-ready", "Model is not ready"


class DeadlinePassed(ServiceError):
    """The time that the request had is over; what was still to be done for it is not done."""

    name, title = "deadline-passed", "Deadline passed"


class WorkerLost(ServiceError):
    """The process in which the model runs died or hung; another takes its place."""

    name, title = "worker-lost", "Worker lost"

    def __init__(
        self,
        detail: str = "the model's process was lost while it worked on it",
        retry_after_s: float = 1,
    ) -> None:
        super().__init__(detail, retry_after_s)


class OutOfMemory(ServiceError):
    """The model found no memory for a batch; shown to a client only for a single text."""

    name, title = "out-of-memory", "Out of memory"

    def __init__(self) -> None:
        super().__init__("there is no memory for this request now", retry_after_s=5)


class InternalError(ServiceError):
    """A fault of ours; the log knows more."""

    def __init__(self, detail: str = "the request failed here; the log has the cause") -> None:
        super().__init__(detail)


class NonFiniteOutput(InternalError):
    """The model returned NaN or infinity."""

    name, title = "non-finite-output", "Model output is not finite"


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
