"""Each request is counted once, has its line in the log, and stays in its trace."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import Overloaded
from service.http.middleware import CatchAll, RequestContext
from service.observability.logs import json_formatter
from service.observability.metrics import Metrics
from service.telemetry import Telemetry

Predict = Callable[..., Awaitable[httpx.Response]]

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Lines(logging.Handler):
    """The lines of the log as they would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(json_formatter())
        self.entries: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.entries.append(json.loads(self.format(record)))

    def of_requests(self) -> list[dict[str, Any]]:
        return [entry for entry in self.entries if entry["event"] == "request"]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.DEBUG)
    handler = Lines()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def counted(app: FastAPI, **labels: str) -> float:
    value = app.state.metrics.registry.get_sample_value("summarizer_requests_total", labels)
    return 0 if value is None else float(value)


# The log


async def test_a_request_has_one_line_that_says_it_in_numbers(
    predict: Predict, lines: Lines
) -> None:
    response = await predict(inputs=["one two three four five six", "seven eight"])
    (entry,) = lines.of_requests()
    usage = response.json()["usage"]
    assert entry["level"] == "info"
    assert entry["request_id"] == response.headers["x-request-id"]
    assert (entry["method"], entry["route"], entry["status"]) == ("POST", "/predict", 200)
    assert 0 < entry["duration_ms"] < 60_000
    assert entry["inputs"] == 2
    assert entry["source_tokens"] == usage["source_tokens"]
    assert entry["summary_tokens"] == usage["summary_tokens"]
    assert entry["batch"] == 1
    assert {"trace_id", "span_id", "time"} <= entry.keys()


async def test_no_line_holds_what_was_sent(
    predict: Predict, predictor: Any, client: httpx.AsyncClient, lines: Lines
) -> None:
    text = "xyzzy\nsecret"
    await predict(inputs=text)
    await predict(inputs=[text, 1])
    await predict(**{text: 1})
    await client.get("/secret?secret=secret", headers={"User-Agent": "secret", "Cookie": "secret"})
    predictor.error = RuntimeError("boom")
    await predict(inputs=text)
    assert len(lines.of_requests()) == 5
    ours = json.dumps([entry for entry in lines.entries if entry["logger"] != "httpx"])
    assert "secret" not in ours
    assert "xyzzy" not in ours


async def test_a_refusal_names_its_error(predict: Predict, predictor: Any, lines: Lines) -> None:
    predictor.error = Overloaded("full", retry_after_s=1)
    await predict(inputs=["a b", "c d"])
    (entry,) = lines.of_requests()
    assert (entry["level"], entry["status"], entry["error_type"]) == ("info", 429, "overloaded")
    assert entry["inputs"] == 2
    assert "source_tokens" not in entry


async def test_a_fault_is_an_error_whose_cause_has_the_same_ids(
    predict: Predict, predictor: Any, lines: Lines
) -> None:
    predictor.error = RuntimeError("exploded")
    await predict()
    (entry,) = lines.of_requests()
    (cause,) = [e for e in lines.entries if "exploded" in e.get("exception", "")]
    assert (entry["level"], entry["status"]) == ("error", 500)
    assert entry["error_type"] == "internal-error"
    for name in ("request_id", "trace_id", "span_id"):
        assert cause[name] == entry[name]


async def test_a_probe_is_logged_at_debug_while_all_is_well(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        await client.get(path)
    assert [entry["level"] for entry in lines.of_requests()] == ["debug"] * 3


async def test_a_service_that_is_not_ready_warns(app: FastAPI, lines: Lines) -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await client.get("/readyz")
    (entry,) = lines.of_requests()
    assert (entry["level"], entry["error_type"]) == ("warning", "not-ready")


# Traces


async def test_a_trace_goes_on_and_the_answer_names_our_span(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=1"}
    response = await client.get("/info", headers=headers)
    (entry,) = lines.of_requests()
    assert response.headers["traceresponse"] == f"00-{TRACE}-{entry['span_id']}-01"
    assert (entry["trace_id"], entry["parent_id"]) == (TRACE, PARENT)
    assert entry["tracestate"] == "a=1"


async def test_a_junk_trace_is_replaced(client: httpx.AsyncClient, lines: Lines) -> None:
    headers = [("traceparent", "00-junk\x1b[31m"), ("tracestate", "a=1")]
    response = await client.get("/info", headers=headers)
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", response.headers["traceresponse"])
    (entry,) = lines.of_requests()
    assert "parent_id" not in entry
    assert "tracestate" not in entry


async def test_an_error_keeps_the_trace_too(client: httpx.AsyncClient) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
    response = await client.get("/nowhere", headers=headers)
    assert response.headers["traceresponse"].startswith(f"00-{TRACE}-")


# Counts


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/livez", ("/livez", "GET", "200")),
        ("GET", "/openapi.json", ("/openapi.json", "GET", "200")),
        ("GET", "/docs", ("/docs", "GET", "200")),
        ("GET", "/static/docs/favicon.png", ("/static/docs", "GET", "200")),
        ("GET", "/static/docs/nothing.js", ("/static/docs", "GET", "404")),
        ("GET", "/predict", ("/predict", "GET", "405")),
        ("GET", "/nowhere/1", ("unmatched", "GET", "404")),
        ("GET", "/../etc/passwd", ("unmatched", "GET", "404")),
        ("BREW", "/coffee", ("unmatched", "other", "404")),
        ("BREW", "/predict", ("/predict", "other", "405")),
        ("POST", "/predict", ("/predict", "POST", "415")),
    ],
)
async def test_labels_come_from_a_bounded_set(
    app: FastAPI, client: httpx.AsyncClient, method: str, path: str, labels: tuple[str, str, str]
) -> None:
    await client.request(method, path)
    assert counted(app, **dict(zip(("route", "method", "status"), labels, strict=True))) == 1


async def test_only_what_was_answered_counts_as_summarized(
    app: FastAPI, predict: Predict, predictor: Any
) -> None:
    def value(name: str) -> float | None:
        found: float | None = app.state.metrics.registry.get_sample_value(name)
        return found

    usage = (await predict(inputs=["a b c", "d e f"])).json()["usage"]
    await predict(num_beams=99)
    predictor.error = Overloaded("full", retry_after_s=1)
    await predict()
    assert value("summarizer_inputs_total") == 2
    assert value("summarizer_source_tokens_total") == usage["source_tokens"]
    assert value("summarizer_written_tokens_total") == usage["summary_tokens"]
    assert value("summarizer_requests_in_progress") == 0


async def test_a_client_that_has_its_answer_finds_it_counted() -> None:
    metrics = Metrics()
    seen: list[float | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            labels = {"route": "unmatched", "method": "GET", "status": "200"}
            seen.append(metrics.registry.get_sample_value("summarizer_requests_total", labels))

    await _serve(Telemetry(app, metrics), send)
    assert seen == [None, 1]


async def test_a_client_that_left_before_its_answer_is_counted_as_499() -> None:
    metrics = Metrics()

    async def app(scope: Scope, receive: Receive, send: Send) -> None: ...

    async def send(message: Message) -> None: ...

    await _serve(Telemetry(app, metrics), send)
    labels = {"route": "unmatched", "method": "GET", "status": "499"}
    assert metrics.registry.get_sample_value("summarizer_requests_total", labels) == 1


async def test_an_answer_that_breaks_off_is_counted_and_no_longer_in_progress() -> None:
    metrics = Metrics()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("midway")

    async def send(message: Message) -> None: ...

    with pytest.raises(RuntimeError, match="midway"):
        await _serve(Telemetry(CatchAll(app), metrics), send)
    labels = {"route": "unmatched", "method": "GET", "status": "200"}
    assert metrics.registry.get_sample_value("summarizer_requests_total", labels) == 1
    assert metrics.registry.get_sample_value("summarizer_requests_in_progress") == 0


async def test_what_is_not_http_is_not_counted() -> None:
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})

    async def send(message: Message) -> None:
        sent.append(message)

    await _serve(Telemetry(app, Metrics()), send, "lifespan")
    assert sent == [{"type": "lifespan.startup.complete"}]


async def _serve(app: ASGIApp, send: Send, kind: str = "http") -> None:
    async def receive() -> Message:
        return {"type": "http.request"}

    surrounded = RequestContext(app, lambda: None)
    await surrounded({"type": kind, "method": "GET", "headers": []}, receive, send)


# Server-Timing


async def test_the_stages_are_measured_and_fit_into_the_whole(
    app: FastAPI, predict: Predict
) -> None:
    header = (await predict()).headers["server-timing"]
    durations = {name: float(ms) for name, ms in re.findall(r"(\w+);dur=([\d.]+)", header)}
    value = app.state.metrics.registry.get_sample_value
    for stage in ("parse", "queue", "model", "render"):
        seconds = value("summarizer_stage_duration_seconds_sum", {"stage": stage})
        assert durations[stage] == pytest.approx(1000 * seconds, abs=0.051)
    assert durations["parse"] + durations["render"] <= durations["total"] + 0.2
