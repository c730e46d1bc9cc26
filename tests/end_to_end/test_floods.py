"""Rows 17, 18 and 25 of docs/reliability.md at full size: `make test-slow` prints what they saw.

Over the model without TensorFlow of faulty_service.py: what is measured is the service.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.conftest import Tell
from tests.end_to_end.load import clients
from tests.end_to_end.test_lost_workers import SCRIPT, samples, wait_for
from tests.end_to_end.test_new_versions import publish, version
from tests.processes import RunningService, running_service, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CONNECTIONS = 10_000
SOAK_REQUESTS = int(os.environ.get("SOAK_REQUESTS", "20000"))
"""Of which 5 % are faults."""


# 17 More than can be done


def test_row_17_300_clients_where_20_a_second_can_be_served(tmp_path: Path, tell: Tell) -> None:
    deadline_s, clients_at_once = 6, 300
    # A call takes a second whatever its size, and holds twenty texts.
    settings = {"max_batch_tokens": str(20 * 64 * 4), "max_queued_texts": "1000"}
    with running_service(tmp_path / "log", SCRIPT, cache_bytes="0", **settings) as service:
        wait_until(service, "/readyz", 200, 300)
        seen = asyncio.run(overload(service.url, clients_at_once, deadline_s, seconds=20))
        measured = durations(service.log)
    assert {status for status, _ in seen} == {200, 429}
    accepted, refused = measured[200], sorted(measured[429])
    assert max(accepted) < deadline_s + 1  # what is late is not answered; one second to render
    at_clients = sorted(seconds for status, seconds in seen if status == 429)
    tell(
        f"row 17: {len(accepted)} answered, the slowest in {max(accepted):.2f} s; {len(refused)} "
        f"refused, p50 {1000 * middle(refused):.1f} ms, "
        f"p99 {1000 * refused[int(0.99 * len(refused))]:.1f} ms in the service, "
        f"p50 {1000 * middle(at_clients):.0f} ms for 300 clients in one process"
    )


def durations(log: Path) -> dict[int, list[float]]:
    """Seconds of each request for summaries, as the service measured them, by status."""
    found: dict[int, list[float]] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry.get("route") == "/predict":
            found.setdefault(entry["status"], []).append(entry["duration_ms"] / 1000)
    return found


def middle(values: list[float]) -> float:
    return values[len(values) // 2]


async def overload(
    url: str, clients_at_once: int, deadline_s: float, seconds: float
) -> list[tuple[int, float]]:
    """Status and seconds of each request; no client sees anything but an answer."""
    seen: list[tuple[int, float]] = []
    end = time.monotonic() + seconds
    limits = httpx.Limits(max_connections=clients_at_once)
    headers = {"X-Request-Timeout-Ms": str(round(1000 * deadline_s))}
    async with httpx.AsyncClient(
        base_url=url, timeout=2 * deadline_s, limits=limits, headers=headers
    ) as client:

        async def ask(number: int) -> None:
            asked = 0
            while time.monotonic() < end:
                asked += 1
                began = time.perf_counter()
                answer = await client.post(
                    "/predict", json={"inputs": f"dawdle {number} {asked}", "attention": "none"}
                )
                seen.append((answer.status_code, time.perf_counter() - began))
                if answer.status_code == 429:
                    assert int(answer.headers["retry-after"]) >= 1
                    await asyncio.sleep(random.uniform(0.5, 1.5))

        await asyncio.gather(*map(ask, range(clients_at_once)))
    return seen


# 18 More clients than there are places


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    with running_service(
        tmp_path / "log", SCRIPT, max_connections=str(CONNECTIONS), cache_bytes="0"
    ) as running:
        wait_until(running, "/readyz", 200, 300)
        yield running


@pytest.fixture
def descriptors() -> int:
    """How many connections this process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 500
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    return min(wanted, hard) - 300


IDLE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW_HEAD = b"GET /livez HTTP/1.1\r\nX-Slow: "
SLOW_BODY = (
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 5000\r\n\r\n"
)


@pytest.mark.parametrize("first", [IDLE, SLOW_HEAD, SLOW_BODY], ids=["idle", "heads", "bodies"])
def test_row_18_floods_of_connections_harm_nobody(
    service: RunningService, descriptors: int, tell: Tell, first: bytes
) -> None:
    count = min(descriptors, CONNECTIONS + 200)
    before_bytes = resident_of(service.pid)
    with clients(service.url, 2) as before:
        time.sleep(5)
    with flood(service, count, first), clients(service.url, 2) as during:
        time.sleep(15)
        peak_bytes = resident_of(service.pid)
    assert during.failed == []
    assert len(during.answers) > 10
    tell(
        f"row 18: {count} connections; others: {len(during.answers)} answers, "
        f"p50 {1000 * during.quantile(0.5):.0f} ms (before {1000 * before.quantile(0.5):.0f}), "
        f"p99 {1000 * during.quantile(0.99):.0f} ms (before {1000 * before.quantile(0.99):.0f}); "
        f"memory of the service {before_bytes >> 20} -> {peak_bytes >> 20} MiB"
    )
    wait_until(service, "/readyz", 200, 300)
    wait_for(lambda: descriptors_of(service.pid) < 100, 120)


@contextmanager
def flood(service: RunningService, count: int, first: bytes) -> Iterator[None]:
    """So many clients, from a process of their own, once all of them have come."""
    script = str(Path(__file__).with_name("flood.py"))
    host, port = service.address
    arguments = [sys.executable, script, host, str(port), str(count), first.hex()]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"all there\n"
            yield
        finally:
            process.kill()


# 25 Long and mixed


def test_row_25_mixed_traffic_leaves_nothing_behind(tmp_path: Path, tell: Tell) -> None:
    root = tmp_path / "artifacts"
    publish(root, 1)
    settings = {"artifact": str(root), "version_poll_s": "0.5", "log_level": "error"}
    with running_service(tmp_path / "log", SCRIPT, cache_bytes="1000000", **settings) as service:
        wait_until(service, "/readyz", 200, 300)
        tally, seen = Counter[str](), list[tuple[int, int, int]]()
        with httpx.Client(base_url=service.url, timeout=60) as client:
            for number in range(SOAK_REQUESTS):
                body, status = asked(number)
                answer = client.post("/predict", json=body)
                assert answer.status_code == status, answer.text
                tally[str(answer.status_code)] += 1
                if number % (SOAK_REQUESTS // 10) == SOAK_REQUESTS // 20:
                    seen.append(held_by(service))
                    publish(root, len(seen) + 1)
                    wait_for(lambda: version(service) == str(len(seen) + 1))
        counted = samples(service, "summarizer_requests_total")
        assert samples(service, "summarizer_traces_total")[""] == 0
    assert tally == {status: counted[f"POST,/predict,{status}"] for status in tally}
    resident, files, threads = zip(*seen, strict=True)
    tell(
        f"row 25: {SOAK_REQUESTS} requests {dict(tally)}, {len(seen)} new versions; memory of the "
        f"service {[size >> 20 for size in resident]} MiB, descriptors {files}, threads {threads}"
    )
    assert max(files[2:]) <= files[1] + 2
    assert max(threads[2:]) <= threads[1]
    grown, requests = resident[-1] - resident[len(seen) // 2], SOAK_REQUESTS / 2
    assert grown < 2**22 + 2**20 * requests / 10_000  # in few requests caches still fill


FAULTS = [
    ({"inputs": "explode"}, 500),
    ({"inputs": "overflow"}, 500),
    ({"inputs": "starve"}, 503),
    ({"inputs": ""}, 422),
    ({"inputs": "good", "num_beams": 0}, 422),
]


def asked(number: int) -> tuple[dict[str, object], int]:
    """A request and the status of its answer; one in twenty is a fault."""
    if number % 20 == 7:
        return FAULTS[number // 20 % len(FAULTS)]
    text = " ".join(["the city council voted to build a tram line"] * (1 + number % 40))
    attention = ("sources", "matrix", "none")[number % 3]
    return {"inputs": f"{number} {text}", "attention": attention, "key_sentences": number % 4}, 200


def held_by(service: RunningService) -> tuple[int, int, int]:
    """Bytes, descriptors and threads of the service's own process."""
    threads = len(list(Path(f"/proc/{service.pid}/task").iterdir()))
    return resident_of(service.pid), descriptors_of(service.pid), threads


def descriptors_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident_of(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()
