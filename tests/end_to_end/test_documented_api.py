"""The API's document against the service that it describes: its examples, and made-up requests."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from service.examples import PROBLEM_EXAMPLE

pytestmark = pytest.mark.timeout(240)  # the first that asks for a trained network waits for it


@pytest.fixture(scope="module")
def url(trained: Path, serve: Callable[[Path], str]) -> str:
    return serve(trained / "artifacts")


@pytest.fixture(scope="module")
def document(url: str) -> dict[str, Any]:
    document: dict[str, Any] = httpx.get(f"{url}/openapi.json").json()
    return document


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    return jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})


def content_of(document: dict[str, Any], path: str, method: str, status: int) -> dict[str, Any]:
    answer = document["paths"][path][method]["responses"][str(status)]
    content: dict[str, Any] = answer["content"]
    return content


@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_the_examples_of_requests_are_answered_as_documented(
    url: str, document: dict[str, Any], path: str
) -> None:
    operation = document["paths"][path]["post"]
    body = operation["requestBody"]["content"]["application/json"]
    schema = content_of(document, path, "post", 200)["application/json"]["schema"]
    assert len(body["examples"]) >= 3
    for name, example in body["examples"].items():
        validator(document, body["schema"]).validate(example["value"])
        answer = httpx.post(f"{url}{path}", json=example["value"], timeout=60)
        assert answer.status_code == 200, name
        validator(document, schema).validate(answer.json())


def test_the_examples_of_answers_fit_their_schemas(document: dict[str, Any]) -> None:
    for path in ("/predict", "/explain"):
        content = content_of(document, path, "post", 200)["application/json"]
        validator(document, content["schema"]).validate(content["example"])
    problem = document["components"]["schemas"]["Problem"]
    validator(document, problem).validate(problem["example"])


def test_the_example_of_a_problem_is_what_is_answered(url: str) -> None:
    answer = httpx.post(f"{url}/predict", json={"inputs": ["text", ""]})
    varying = {"instance": answer.json()["instance"]}
    assert answer.json() == PROBLEM_EXAMPLE | varying
    assert varying["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/info", "/metrics"])
def test_every_get_is_answered_as_documented(url: str, document: dict[str, Any], path: str) -> None:
    answer = httpx.get(f"{url}{path}")
    media_type = answer.headers["content-type"].split(";")[0]
    schema = content_of(document, path, "get", answer.status_code)[media_type]["schema"]
    body = answer.text if media_type == "text/plain" else answer.json()
    validator(document, schema).validate(body)


def test_schemathesis_finds_no_5xx_and_no_answer_beside_the_document(
    url: str, tmp_path: Path
) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
        *("run", f"{url}/openapi.json"),
        *("--max-examples", "400", "--generation-deterministic"),
        *("--phases", "examples,coverage,fuzzing"),
        *("--request-timeout", "20", "--no-color"),
    ]
    ended = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    # A warning only says that an operation was seldom reached, which hangs on what ran before.
    assert re.search(r"\d{3,} generated, \d{3,} passed", ended.stdout), ended.stdout
