from __future__ import annotations

import json

import pytest

from service.errors import (
    InternalError,
    MatrixTooLarge,
    NonFiniteOutput,
    NotReady,
    RuleBroken,
    ServiceError,
    TextTooLong,
)
from service.http.problems import problem_response, status_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuleBroken("rule"), 422),
        (TextTooLong(0, 9, 8), 422),
        (MatrixTooLarge("cells"), 422),
        (NonFiniteOutput(), 500),
        (ServiceError("unlisted"), 500),
    ],
)
def test_an_error_has_its_own_status_or_its_ancestors(error: ServiceError, status: int) -> None:
    assert status_of(error) == status


def test_a_long_detail_is_cut_so_that_the_body_stays_small() -> None:
    response = problem_response(RuleBroken('"é' * 2000), "7")
    assert len(response.body) < 8192
    assert json.loads(bytes(response.body))["detail"].endswith("…")
    assert len(problem_response(RuleBroken("x" * 9999), "7").body) < 4096


def test_an_instance_is_the_uuid_of_the_request_or_the_clients_own_id() -> None:
    uuid = "7f3a2c1e-5b1d-4c55-9d53-0a5b8f0c2f11"
    named = [json.loads(bytes(problem_response(InternalError(), i).body)) for i in (uuid, "job-1")]
    assert [body["instance"] for body in named] == [
        f"urn:uuid:{uuid}",
        "urn:attention-summarizer:request:job-1",
    ]


def test_retry_after_is_a_whole_second_at_least() -> None:
    response = problem_response(NotReady("soon", retry_after_s=0.05), "7")
    assert response.headers["retry-after"] == "1"
    assert json.loads(bytes(response.body))["retry_after_ms"] == 50
