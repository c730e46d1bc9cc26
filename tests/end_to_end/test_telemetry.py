"""What a real process counts and logs, against what its client has seen."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as families

MARK = "Quillfeather"
TEXT = f"The harbour museum of {MARK} opens a new hall on Saturday. It shows forty model ships."
STAGES = ("parse", "queue", "tokenize", "model", "render")

SETTINGS = {
    "port": "0",
    "workers": "1",
    "log_level": "debug",
    "max_queued_texts": "1",  # so that a few clients at once are too many
    "max_body_bytes": "4096",
    "max_input_characters": "1000",
}


@dataclass
class Running:
    """The process, where it listens and what it has written."""

    url: str
    stdout: Path
    process: subprocess.Popen[bytes]

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.read_bytes().splitlines()]


@dataclass
class Tally:
    """What a client has counted."""

    requests: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    inputs: int = 0
    source_tokens: int = 0
    summary_tokens: int = 0
    ids: list[str] = field(default_factory=list)
    timings: list[dict[str, float]] = field(default_factory=list)

    def add(self, route: str, response: httpx.Response) -> None:
        self.ids.append(response.headers["x-request-id"])
        self.requests[route, response.request.method, str(response.status_code)] += 1
        if response.status_code >= 400:
            label = "type" if response.status_code >= 500 else "reason"
            self.errors[label, response.json()["error_type"]] += 1
        elif route == "/predict":
            body = response.json()
            self.inputs += len(body["predictions"])
            self.source_tokens += body["usage"]["source_tokens"]
            self.summary_tokens += body["usage"]["summary_tokens"]
            parts = re.findall(r"(\w+);dur=([\d.]+)", response.headers["server-timing"])
            self.timings.append({name: float(ms) for name, ms in parts})


@dataclass(frozen=True)
class Scrape:
    """All samples of `/metrics` at one moment."""

    values: dict[tuple[str, frozenset[tuple[str, str]]], float]

    @classmethod
    def of(cls, url: str) -> Scrape:
        samples = [s for f in families(httpx.get(f"{url}/metrics").text) for s in f.samples]
        return cls({(s.name, frozenset(s.labels.items())): s.value for s in samples})

    def since(self, earlier: Scrape, name: str, **labels: str) -> float:
        key = name, frozenset(labels.items())
        return self.values.get(key, 0) - earlier.values.get(key, 0)

    def all_since(self, earlier: Scrape, name: str) -> dict[frozenset[tuple[str, str]], float]:
        rises = {
            labels: value - earlier.values.get((found, labels), 0)
            for (found, labels), value in self.values.items()
            if found == name
        }
        return {labels: rise for labels, rise in rises.items() if rise}


@pytest.fixture(scope="module")
def running(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    stdout = tmp_path_factory.mktemp("telemetry") / "stdout"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SUMMARIZER_")}
    environment |= {f"SUMMARIZER_{name.upper()}": value for name, value in SETTINGS.items()}
    environment["SUMMARIZER_ARTIFACT"] = str(trained / "artifacts")
    with stdout.open("wb") as written:
        command = [sys.executable, "-m", "service"]
        process = subprocess.Popen(command, env=environment, stdout=written)
    try:
        url = _wait_for(process, stdout, r"running on (http://[\d.:]+)")
        _wait_for(process, stdout, r'"event": "(ready): ')
        yield Running(url, stdout, process)
    finally:
        process.kill()
        process.wait()


def _wait_for(process: subprocess.Popen[bytes], file: Path, pattern: str) -> str:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None
        if found := re.search(pattern, file.read_text()):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"{pattern} was not said: {file.read_text()}")


def _bad(client: httpx.AsyncClient) -> list[tuple[str, Any]]:
    """One of each that is refused, with the route that it belongs to."""
    as_json = {"Content-Type": "application/json"}
    return [
        ("/predict", client.post("/predict", content=b"{", headers=as_json)),  # 400
        ("/predict", client.post("/predict", content=b"", headers=as_json)),  # 400
        ("/predict", client.post("/predict", content=b"{}")),  # 415
        ("/predict", client.post("/predict", data={"inputs": TEXT})),  # 415
        ("/predict", client.post("/predict", content=b" " * 5000, headers=as_json)),  # 413
        ("/predict", client.post("/predict", json={"inputs": "a" * 1001})),  # 413
        ("/predict", client.post("/predict", json={"inputs": ["a"] * 33})),  # 413
        ("/predict", client.post("/predict", json={"inputs": " "})),  # 422
        ("/predict", client.post("/predict", json={"inputs": TEXT, "num_beams": 99})),  # 422
        ("/predict", client.post("/predict", json={MARK: TEXT})),  # 422
        (
            "/predict",
            client.post("/predict", json={"inputs": f"{TEXT} " * 9, "truncation": "error"}),  # 422
        ),
        ("/predict", client.get("/predict")),  # 405
        ("/predict", client.delete("/predict")),  # 405
        ("unmatched", client.get(f"/{MARK}")),  # 404
        ("unmatched", client.post("/predict/", json={"inputs": TEXT})),  # 404
    ]


async def _traffic(url: str) -> Tally:
    tally = Tally()
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        for _ in range(4):
            for route, request in _bad(client):
                tally.add(route, await request)
            for inputs in (TEXT, [TEXT, "A short note."], [TEXT] * 5):
                tally.add("/predict", await client.post("/predict", json={"inputs": inputs}))
            for path in ("/livez", "/readyz", "/info", "/openapi.json"):
                tally.add(path, await client.get(path))
        crowd = [
            client.post("/predict", json={"inputs": [f"{TEXT} {i}"] * 2, "num_beams": 8})
            for i in range(20)
        ]
        for response in await asyncio.gather(*crowd):
            tally.add("/predict", response)
    return tally


@pytest.fixture(scope="module")
def observed(running: Running) -> tuple[Tally, Scrape, Scrape]:
    """Mixed traffic, and the counters before and after it."""
    before = Scrape.of(running.url)
    tally = asyncio.run(_traffic(running.url))
    return tally, before, Scrape.of(running.url)


@pytest.mark.timeout(240)
def test_the_traffic_was_mixed(observed: tuple[Tally, Scrape, Scrape]) -> None:
    tally = observed[0]
    assert tally.requests.total() >= 100
    statuses = {int(status) for _, _, status in tally.requests}
    assert statuses == {200, 400, 404, 405, 413, 415, 422, 429}


def test_every_request_is_counted_as_its_client_saw_it(
    observed: tuple[Tally, Scrape, Scrape],
) -> None:
    tally, before, after = observed
    counted = {
        tuple(dict(labels)[name] for name in ("route", "method", "status")): value
        for labels, value in after.all_since(before, "summarizer_requests_total").items()
    }
    assert counted == {**tally.requests, ("/metrics", "GET", "200"): 1}  # the scrape before
    durations = after.all_since(before, "summarizer_request_duration_seconds_count")
    assert sum(durations.values()) == tally.requests.total() + 1
    assert after.values["summarizer_requests_in_progress", frozenset()] == 1  # the scrape itself
    assert after.values["summarizer_queue_texts", frozenset()] == 0


def test_texts_of_the_scheduler_are_those_of_the_requests(
    observed: tuple[Tally, Scrape, Scrape],
) -> None:
    tally, before, after = observed
    events = {
        dict(labels)["event"]: value
        for labels, value in after.all_since(before, "summarizer_texts_total").items()
    }
    too_long = 4  # admitted, and found to be so by a worker; three times remembered
    taken = events["cached"] + events["joined"] + events["queued"]
    assert taken == tally.inputs + too_long
    assert events["cached"] > 3 * (1 + 2 + 5)
    assert events["joined"] >= 1
    assert events["refused"] == 2 * tally.errors["reason", "overloaded"]
    batched = after.since(before, "summarizer_batch_texts_sum", signature="summarize")
    assert batched == events["queued"] - 1
    assert not events.keys() & {"dropped", "missed", "retried"}


def test_every_refusal_is_counted_under_its_name(observed: tuple[Tally, Scrape, Scrape]) -> None:
    tally, before, after = observed
    counted = {
        **after.all_since(before, "summarizer_refused_total"),
        **after.all_since(before, "summarizer_errors_total"),
    }
    assert counted == {frozenset([label]): count for label, count in tally.errors.items()}


def test_texts_and_tokens_are_those_of_the_answers(observed: tuple[Tally, Scrape, Scrape]) -> None:
    tally, before, after = observed
    assert after.since(before, "summarizer_inputs_total") == tally.inputs
    assert after.since(before, "summarizer_source_tokens_total") == tally.source_tokens
    assert after.since(before, "summarizer_written_tokens_total") == tally.summary_tokens
    assert after.since(before, "summarizer_padding_tokens_total", signature="summarize") > 0


def test_stages_add_up_to_server_timing_and_stay_below_its_total(
    observed: tuple[Tally, Scrape, Scrape],
) -> None:
    tally, before, after = observed
    for stage in STAGES:
        name = "summarizer_stage_duration_seconds"
        assert after.since(before, f"{name}_count", stage=stage) == len(tally.timings)
        seen = sum(timing[stage] for timing in tally.timings) / 1000
        rounding = 0.00005 * len(tally.timings) + 1e-9
        assert after.since(before, f"{name}_sum", stage=stage) == pytest.approx(seen, abs=rounding)
    for timing in tally.timings:
        assert list(timing) == [*STAGES, "total"]
        assert sum(timing[stage] for stage in STAGES) <= timing["total"] + 0.05 * (len(STAGES) + 1)


def test_every_request_has_one_line_in_the_log(
    running: Running, observed: tuple[Tally, Scrape, Scrape]
) -> None:
    tally = observed[0]
    lines = running.lines()
    requests = [line for line in lines if line["event"] == "request"]
    ids = Counter(line["request_id"] for line in requests)
    assert all(ids[request_id] == 1 for request_id in tally.ids)
    answered = [line for line in requests if line["route"] == "/predict" and line["status"] == 200]
    assert sum(line["inputs"] for line in answered) == tally.inputs
    assert sum(line["summary_tokens"] for line in answered) == tally.summary_tokens
    assert MARK not in running.stdout.read_text()
    assert "\x1b" not in running.stdout.read_text()


def test_what_is_no_request_is_counted_and_logged_too(
    running: Running, observed: tuple[Tally, Scrape, Scrape]
) -> None:
    before = Scrape.of(running.url)
    address = httpx.URL(running.url)
    with socket.create_connection((address.host, address.port or 0), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01 is no HTTP\r\n\r\n")
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    after = Scrape.of(running.url)
    labels = {"route": "unread", "method": "other", "status": "400"}
    assert after.since(before, "summarizer_requests_total", **labels) == 1
    assert after.since(before, "summarizer_refused_total", reason="malformed-request") == 1
    (line,) = [line for line in running.lines() if line["event"] == "unread request"]
    assert line["error_type"] == "malformed-request"
    assert line["request_id"].encode() in answer


@pytest.mark.timeout(60)
def test_its_end_is_logged_too(running: Running, observed: tuple[Tally, Scrape, Scrape]) -> None:
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(timeout=30) == 0
    assert running.lines()[-1]["logger"] == "uvicorn.error"
