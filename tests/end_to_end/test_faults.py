"""Rows 10 to 13 and 22 of docs/reliability.md: what fails behind the edge of a real process."""

from __future__ import annotations

import http.client
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from model import artifact
from tests.end_to_end.test_lost_workers import wait_for

ROOT = Path(__file__).parents[2]

JSON = {"Content-Type": "application/json"}

pytestmark = pytest.mark.timeout(240)  # the first that asks for a trained network waits for it


def predict(url: str, inputs: str | list[str]) -> httpx.Response:
    return httpx.post(f"{url}/predict", json={"inputs": inputs}, timeout=60)


def at_once(url: str, texts: Sequence[str]) -> list[httpx.Response]:
    with ThreadPoolExecutor(len(texts)) as pool:
        return list(pool.map(lambda text: predict(url, text), texts))


def assert_problem(answer: httpx.Response, status: int, name: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 4096
    body: dict[str, Any] = answer.json()
    assert body["error_type"] == name
    for secret in ("secret", "Traceback", "RuntimeError", "InvalidArgument", "site-packages"):
        assert secret not in answer.text
    return body


@pytest.mark.parametrize(
    ("fault", "status", "name"),
    [
        ("explode", 500, "internal-error"),
        ("overflow", 500, "non-finite-output"),
        ("starve", 503, "out-of-memory"),
        ("", 422, "invalid-request"),
    ],
)
def test_row_10_one_bad_request_among_32_fails_alone(
    faulty: Any, fault: str, status: int, name: str
) -> None:
    texts = [f"the tram line {number}" for number in range(32)]
    texts[13] = fault
    answers = at_once(faulty.url, texts)
    assert_problem(answers.pop(13), status, name)
    assert [answer.status_code for answer in answers] == [200] * 31


def test_row_11_a_number_that_is_not_finite_is_a_500_and_is_counted(faulty: Any) -> None:
    def count() -> float:
        text = httpx.get(f"{faulty.url}/metrics").text
        found = re.findall(
            r'^summarizer_errors_total\{type="non-finite-output"\} (\S+)$', text, re.M
        )
        return float(found[0])

    before = count()
    for attention in ("sources", "matrix", "none"):
        fields = {"inputs": ["good", "overflow"], "attention": attention}
        answer = httpx.post(f"{faulty.url}/predict", json=fields)
        assert_problem(answer, 500, "non-finite-output")
        assert "NaN" not in answer.text
        assert "null" not in answer.text
    assert count() == before + 3


def test_row_12_a_batch_without_memory_is_halved_until_it_fits(faulty: Any) -> None:
    texts = ["crowd", *(f"the city council {number}" for number in range(6)), "crowd"]
    answer = predict(faulty.url, texts)
    assert answer.status_code == 200
    assert [p["source"]["used_end"] for p in answer.json()["predictions"]] == [*map(len, texts)]
    # Unless the worker remembers the shortage of another test, and asks for less at once.
    metrics = httpx.get(f"{faulty.url}/metrics").text
    shortages = re.findall(r"^summarizer_memory_shortages_total (\S+)$", metrics, re.M)
    budget = re.findall(r"^summarizer_batch_budget_tokens (\S+)$", metrics, re.M)
    assert float(shortages[0]) >= 1
    assert float(budget[0]) < 16_384


def test_row_12_a_text_without_memory_may_come_back(faulty: Any) -> None:
    answer = predict(faulty.url, "starve")
    body = assert_problem(answer, 503, "out-of-memory")
    assert answer.headers["retry-after"] == "5"
    assert body["retry_after_ms"] == 5000


def test_row_12_an_error_of_the_engine_shows_nothing_but_is_logged(faulty: Any) -> None:
    answer = predict(faulty.url, "explode")
    assert_problem(answer, 500, "internal-error")

    def is_logged() -> bool:
        lines = faulty.log.read_text(encoding="utf-8").splitlines()
        request = [line for line in lines if answer.headers["x-request-id"] in line]
        return any("InvalidArgumentError at /secret/path" in line for line in request)

    wait_for(is_logged)  # a thread writes the log


def test_row_13_an_unhandled_error_leaves_the_connection_usable(faulty: Any) -> None:
    connection = http.client.HTTPConnection(*faulty.address)
    sockets = []
    for text, status in [("explode", 500), ("good", 200)] * 2:
        connection.request("POST", "/predict", f'{{"inputs": "{text}"}}', JSON)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
        sockets.append(connection.sock)
    assert len(set(sockets)) == 1
    connection.close()


# 22 An artifact that is missing or corrupt


def changed_weight(directory: Path) -> str:
    (weights,) = (directory / artifact.SAVED_MODEL / "variables").glob("*.data-*")
    content = bytearray(weights.read_bytes())
    content[100] ^= 1
    weights.write_bytes(content)
    return "variables.data"


def changed_manifest(directory: Path) -> str:
    path = directory / artifact.MANIFEST
    path.write_bytes(path.read_bytes().replace(b"headline", b"headlime"))
    return artifact.MANIFEST


def nothing_at_all(directory: Path) -> str:
    shutil.rmtree(directory)
    return "no artifact"


@pytest.mark.parametrize("damage", [changed_weight, changed_manifest, nothing_at_all])
def test_row_22_a_bad_artifact_leaves_the_process_up_and_saying_why(
    trained: Path, tmp_path: Path, broken: Callable[[Path], Any], damage: Callable[[Path], str]
) -> None:
    directory = Path(shutil.copytree(trained / "artifacts" / "1", tmp_path / "artifacts" / "1"))
    reason = damage(directory)
    service = broken(directory.parent)
    with httpx.Client(base_url=service.url) as client:
        while "being loaded" in (ready := client.get("/readyz")).text:
            pass
        for answer in (ready, client.post("/predict", json={"inputs": "text"})):
            body = assert_problem(answer, 503, "not-ready")
            assert body["detail"].startswith("no model could be loaded: ")
            assert reason in body["detail"]
            assert str(tmp_path) not in answer.text
            assert answer.headers["retry-after"] == "30"
        assert client.get("/livez").status_code == 200
        assert client.get("/docs").status_code == 200


def test_row_22_a_bad_artifact_ends_the_process_where_the_settings_say_so(tmp_path: Path) -> None:
    settings = {"ARTIFACT": str(tmp_path), "EXIT_ON_LOAD_FAILURE": "true", "PORT": "0"}
    ended = subprocess.run(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env={"PATH": "", **{f"SUMMARIZER_{name}": value for name, value in settings.items()}},
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "no artifact" in ended.stderr
