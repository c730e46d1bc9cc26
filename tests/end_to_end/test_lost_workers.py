"""Rows 14 to 20 of docs/reliability.md: workers that die or hang, clients that leave, stops."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from tests.end_to_end.conftest import Tell
from tests.processes import TLS, RunningService, running_process, running_service, wait_until

SCRIPT = str(Path(__file__).with_name("faulty_service.py"))
WORKERS = 2
HANG_S = 3
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    log = tmp_path_factory.mktemp("lost_workers") / "log"
    settings = {"workers": str(WORKERS), "worker_timeout_s": str(HANG_S), "cache_bytes": "0"}
    with running_service(log, SCRIPT, **settings) as running:
        wait_until(running, "/readyz", 200)
        yield running


def predict(url: str, inputs: Any, **headers: str) -> httpx.Response:
    return httpx.post(
        f"{url}/predict", json={"inputs": inputs}, headers=headers, timeout=60, verify=TLS
    )


def samples(service: RunningService, name: str) -> dict[str, float]:
    """The values of a metric by its one label."""
    # Not httpx, which makes a context for TLS each time.
    with urlopen(f"{service.url}/metrics") as answer:  # noqa: S310 - our own server
        text = answer.read().decode()
    found = [s for family in families(text) for s in family.samples if s.name == name]
    return {",".join(s.labels.values()): s.value for s in found}


def alive(service: RunningService) -> int:
    workers = httpx.get(f"{service.url}/livez", verify=TLS).json()["workers"]
    return int(workers["alive"])


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def test_row_14_a_worker_that_is_killed_costs_no_answer(service: RunningService) -> None:
    before = httpx.get(f"{service.url}/livez", verify=TLS).json()["workers"]["restarts"]
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(predict, service.url, f"dawdle {i}") for i in range(4)]
        wait_for(lambda: samples(service, "summarizer_queue_texts")[""] > 0)
        os.kill(children_of(service.pid)[0], signal.SIGKILL)
        answers = [future.result() for future in futures]
    assert [answer.status_code for answer in answers] == [200] * 4
    wait_for(lambda: alive(service) == WORKERS)
    assert httpx.get(f"{service.url}/livez", verify=TLS).json()["workers"]["restarts"] == before + 1


def test_row_14_a_text_that_kills_its_worker_fails_alone(service: RunningService) -> None:
    texts = [f"the city council {i}" for i in range(8)]
    with ThreadPoolExecutor(9) as pool:
        poison = pool.submit(predict, service.url, "perish")
        others = [pool.submit(predict, service.url, text) for text in texts]
        lost = poison.result()
        assert [future.result().status_code for future in others] == [200] * 8
    assert lost.status_code == 503
    assert lost.json()["error_type"] == "worker-lost"
    assert int(lost.headers["retry-after"]) >= 1
    wait_for(lambda: alive(service) == WORKERS)
    assert samples(service, "summarizer_worker_events_total")["died"] >= 2


def test_row_15_a_worker_that_hangs_is_replaced(service: RunningService) -> None:
    answer = predict(service.url, "hang")
    assert answer.status_code == 503
    assert answer.json()["error_type"] == "worker-lost"
    wait_for(lambda: alive(service) == WORKERS)
    assert samples(service, "summarizer_worker_events_total")["hung"] == 2  # run again, once
    assert predict(service.url, "the city council").status_code == 200


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_row_15_holds_with_the_default_settings(tmp_path: Path, tell: Tell) -> None:
    with running_service(tmp_path / "log", SCRIPT, workers=str(WORKERS)) as service:
        wait_until(service, "/readyz", 200)
        began = time.perf_counter()
        answer = predict(service.url, "hang")
        tell(f"row 15: {answer.status_code} after {time.perf_counter() - began:.0f} s")
        assert answer.status_code == 503
        assert answer.json()["error_type"] == "worker-lost"
        assert int(answer.headers["retry-after"]) >= 1
        wait_for(lambda: alive(service) == WORKERS)
        assert predict(service.url, "the city council").status_code == 200


def test_row_16_the_work_of_clients_that_left_is_not_done(service: RunningService) -> None:
    before = samples(service, "summarizer_texts_total")
    calls = samples(service, "summarizer_batch_texts_count")["summarize"]
    texts = samples(service, "summarizer_batch_texts_sum")["summarize"]

    # Nobody reads: who does, and is held up on a loaded machine, may find an answer and not leave.
    clients = [HTTPConnection(httpx.URL(service.url).netloc.decode()) for _ in range(40)]
    for number, client in enumerate(clients):
        client.request("POST", "/predict", json.dumps({"inputs": f"dawdle {number}"}), JSON)
    time.sleep(0.25)
    for client in clients:
        client.close()
    wait_for(lambda: samples(service, "summarizer_queue_texts")[""] == 0)
    assert predict(service.url, "the city council").status_code == 200

    def run_or_dropped() -> bool:
        after = samples(service, "summarizer_texts_total")
        queued = after["queued"] - before["queued"]
        dropped = after["dropped"] - before["dropped"]
        run = samples(service, "summarizer_batch_texts_sum")["summarize"] - texts
        assert queued - dropped >= run
        return queued > 3 and queued - dropped == run

    wait_for(run_or_dropped)
    executed = samples(service, "summarizer_batch_texts_count")["summarize"] - calls - 1
    assert executed <= WORKERS  # those that had begun before anybody left
    assert samples(service, "summarizer_requests_total").keys() >= {"POST,/predict,499"}


def test_row_17_what_cannot_be_done_in_time_is_refused_at_once(service: RunningService) -> None:
    with ThreadPoolExecutor(40) as pool:
        futures = [pool.submit(predict, service.url, f"dawdle {i}") for i in range(20)]
        wait_for(lambda: samples(service, "summarizer_queue_texts")[""] > 3)
        refused = predict(service.url, "the council", **{"X-Request-Timeout-Ms": "1"})
        assert {future.result().status_code for future in futures} == {200}
    assert refused.status_code in (429, 503)
    assert refused.json()["error_type"] in ("deadline-unmeetable", "deadline-passed")
    assert int(refused.headers["retry-after"]) >= 1


@pytest.fixture
def stopping(tmp_path: Path) -> Iterator[RunningService]:
    """One worker, of a service that a test stops itself."""
    with running_process(tmp_path / "log", SCRIPT, workers="1") as service:
        wait_until(service, "/readyz", 200)
        yield service


def test_row_19_a_stop_answers_what_is_in_flight_and_what_waits(stopping: RunningService) -> None:
    workers = children_of(stopping.pid)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(predict, stopping.url, f"dawdle {i}") for i in range(4)]
        wait_for(lambda: samples(stopping, "summarizer_queue_texts")[""] == 3)
        stopping.process.send_signal(signal.SIGTERM)
        assert [future.result().status_code for future in futures] == [200] * 4
    assert stopping.process.wait(timeout=30) == 0
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def test_row_19_what_outlasts_the_grace_period_is_told_so(tmp_path: Path) -> None:
    with (
        running_process(tmp_path / "log", SCRIPT, workers="1", shutdown_grace_s="1") as running,
        ThreadPoolExecutor(2) as pool,
    ):
        wait_until(running, "/readyz", 200)
        hanging = pool.submit(predict, running.url, "hang")
        wait_for(lambda: samples(running, "summarizer_texts_total")["queued"] == 1)
        waiting = pool.submit(predict, running.url, "the council")
        wait_for(lambda: samples(running, "summarizer_queue_texts")[""] == 1)
        running.process.send_signal(signal.SIGTERM)
        for future in (hanging, waiting):
            answer = future.result()
            assert (answer.status_code, answer.json()["error_type"]) == (503, "not-ready")
            assert answer.headers["retry-after"] == "1"
        assert running.process.wait(timeout=30) == 0
        log = (tmp_path / "log").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in log.splitlines()]
        assert [line["status"] for line in lines if line.get("route") == "/predict"] == [503, 503]
        assert "Traceback" not in log


def test_row_19_a_second_signal_ends_it_at_once(stopping: RunningService) -> None:
    workers = children_of(stopping.pid)
    asking = threading.Thread(target=_ask_in_vain, args=[stopping.url])
    asking.start()
    wait_for(lambda: samples(stopping, "summarizer_texts_total")["queued"] > 0)
    stopping.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    stopping.process.send_signal(signal.SIGTERM)
    assert stopping.process.wait(timeout=5) == 128 + signal.SIGTERM
    asking.join()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 5)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_row_14_where_every_text_kills_its_worker_few_are_lost(stopping: RunningService) -> None:
    texts = [f"perish {i}" for i in range(30)]
    with httpx.Client(base_url=stopping.url, timeout=60) as client:
        answers = [client.post("/predict", json={"inputs": text}) for text in texts]
    assert {answer.status_code for answer in answers} == {503}
    assert {answer.json()["error_type"] for answer in answers} == {"worker-lost"}
    assert samples(stopping, "summarizer_worker_events_total")["died"] < len(texts) / 2
    wait_until(stopping, "/readyz", 200)
    assert predict(stopping.url, "the city council").status_code == 200


def _ask_in_vain(url: str) -> None:
    with pytest.raises(httpx.TransportError):
        predict(url, "hang")


def test_row_20_a_stop_during_a_load_ends_soon(tmp_path: Path) -> None:
    with running_process(tmp_path / "log", "-m", "service") as service:
        wait_until(service, "/livez", 200)
        began = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(timeout=30) == 0
        assert time.monotonic() - began < 5
