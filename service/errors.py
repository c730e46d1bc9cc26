"""The error tree: every way in which a request may go unanswered.

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

Raised anywhere in the service, by code that knows no HTTP; `http.problems` gives the statuses.
Messages never repeat what the client sent.
"""

# ruff: noqa: N818 - the names say what happened, as in Starlette and httpx

from __future__ import annotations

from typing import Any


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
    """So much work is, or was, waiting that the answer would come after the request's deadline."""

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
