"""Measures each request, writes its one line in the log, and carries its trace.

The line says what was asked in numbers. No setting makes it hold a text, a path or an address.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import ServiceError
from service.http.problems import status_of
from service.observability.logs import FIELDS
from service.observability.metrics import Metrics
from service.observability.trace_context import TraceContext, trace_context
from service.predictor import Summary

log = logging.getLogger(__name__)

UNMATCHED = "unmatched"
CLIENT_LEFT = 499
"""The status, by nginx's custom, of a request whose client left before an answer began."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
_POLLED = frozenset({"/livez", "/readyz", "/metrics"})
"""Asked every few seconds: while all is well they are logged at `debug` only."""


@dataclass(kw_only=True)
class RequestRecord:
    """What a route tells of the request that it answers."""

    inputs: int | None = None
    source_tokens: int = 0
    summary_tokens: int = 0
    batch: int = 0  # texts in the largest call of the model
    stage_seconds: Mapping[str, float] = field(default_factory=dict)

    def add_summaries(
        self, summaries: Sequence[Summary], stage_seconds: Mapping[str, float]
    ) -> None:
        """Notes the work behind an answer."""
        self.source_tokens = sum(summary.used_source_tokens for summary in summaries)
        self.summary_tokens = sum(len(summary.log_probs) for summary in summaries)
        self.batch = max(summary.batch_texts for summary in summaries)
        self.stage_seconds = stage_seconds


def record_of(request: Request) -> RequestRecord:
    """What is to be told of the request."""
    record: RequestRecord = request.state.record
    return record


def slowest_stages(summaries: Sequence[Summary]) -> dict[str, float]:
    """The seconds of each stage; texts that shared a call have the same."""
    stages: dict[str, float] = {}
    for summary in summaries:
        for stage, seconds in summary.stage_seconds.items():
            stages[stage] = max(stages.get(stage, 0.0), seconds)
    return stages


class Telemetry:
    """Surrounds the application; `RequestContext` surrounds it and has given the request its id.

    Args:
        app: What is surrounded.
        metrics: Where requests are counted.
        clock: Seconds, from any beginning.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = self._clock()
        headers = Headers(scope=scope)
        trace = trace_context(headers.getlist("traceparent"), headers.getlist("tracestate"))
        scope["state"]["record"] = RequestRecord()
        status, finished = CLIENT_LEFT, False

        def finish() -> None:
            nonlocal finished
            if not finished:
                finished = True
                self._tell(scope, status, self._clock() - began)

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["traceresponse"] = trace.header
            elif not message.get("more_body", False):
                finish()  # first: a client that has its answer finds it counted
            await send(message)

        with (
            self._metrics.requests_in_progress.track_inprogress(),
            structlog.contextvars.bound_contextvars(**_ids(scope, trace)),
        ):
            try:
                await self._app(scope, receive, watched_send)
            finally:
                finish()

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        record: RequestRecord = scope["state"]["record"]
        error: str | None = scope["state"].get("error_type")
        route = _template(scope)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.add_request(
            route=route, method=method, status=status, seconds=seconds, error=error
        )
        if record.stage_seconds and status < 400:
            self._metrics.add_summaries(
                inputs=record.inputs or 0,
                source_tokens=record.source_tokens,
                summary_tokens=record.summary_tokens,
                stage_seconds=record.stage_seconds,
            )
        fields = {
            "method": method,
            "route": route,
            "status": status,
            "duration_ms": round(1000 * seconds, 3),
            **_work(record),
        }
        if error is not None:
            fields["error_type"] = error
        log.log(_level(route, status), "request", extra={FIELDS: fields})


def tell_unread(metrics: Metrics, error: ServiceError, request_id: str) -> None:
    """Counts and logs what was refused before it could be read as a request."""
    status = int(status_of(error))
    metrics.add_unread(status, error.name)
    fields = {"request_id": request_id, "status": status, "error_type": error.name}
    log.info("unread request", extra={FIELDS: fields})


def _template(scope: Scope) -> str:
    """The path that the route was declared with: what clients may write has no bound."""
    if "route" in scope:
        return str(scope["route"].path)
    # FastAPI names only its own routes; of Starlette's (the docs pages) the endpoint is known.
    endpoint = scope.get("endpoint")
    if endpoint is not None:
        for route in scope["router"].routes:
            if endpoint in (getattr(route, "endpoint", None), getattr(route, "app", None)):
                return str(route.path)
    return UNMATCHED


def _ids(scope: Scope, trace: TraceContext) -> dict[str, str]:
    """What every line that is logged on behalf of the request has in common."""
    ids = {
        "request_id": scope["state"]["request_id"],
        "trace_id": trace.trace_id,
        "span_id": trace.span_id,
        "parent_id": trace.parent_id,
        "tracestate": trace.state,
    }
    return {name: value for name, value in ids.items() if value is not None}


def _work(record: RequestRecord) -> dict[str, object]:
    if record.inputs is None:
        return {}
    if not record.stage_seconds:
        return {"inputs": record.inputs}
    return {
        "inputs": record.inputs,
        "source_tokens": record.source_tokens,
        "summary_tokens": record.summary_tokens,
        "batch": record.batch,
    }


def _level(route: str, status: int) -> int:
    if status == 503:  # not a fault: no model yet, or the end
        return logging.WARNING
    if status >= 500:
        return logging.ERROR
    return logging.DEBUG if route in _POLLED and status < 400 else logging.INFO
