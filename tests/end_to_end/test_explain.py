"""`/explain` over real graphs: exact splits, the attention of `/predict`, and slow methods."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from model.artifact import ARTIFACTS

TEXT = (
    "The rowing club of Linden Bay opens its new boathouse on Saturday. Members built it over two "
    "summers with timber from the old pier. Visitors may try a boat from ten o'clock, and entry is "
    "free until the end of June."
)
MINUTES = 2

pytestmark = pytest.mark.timeout(240)  # the first that asks for a trained network waits for it


def asked(url: str, path: str, status: int = 200, **fields: Any) -> Any:
    answer = httpx.post(f"{url}{path}", json={"inputs": TEXT, **fields}, timeout=60)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def small(trained: Path, serve: Callable[[Path], str]) -> str:
    return serve(trained / "artifacts")


@pytest.mark.parametrize("which", ["shipped", "small"])
def test_a_probability_is_exactly_what_was_copied_and_generated(
    serve: Callable[[Path], str], request: pytest.FixtureRequest, which: str
) -> None:
    url = serve(ARTIFACTS) if which == "shipped" else request.getfixturevalue("small")
    matrix = asked(url, "/predict", attention="matrix")["predictions"][0]["attention"]
    (found,) = asked(url, "/explain")["predictions"]
    attention, split = found["explanations"]
    assert split["error"] <= 1e-5
    assert len(split["rows"]) == len(matrix["weights"])
    for row in split["rows"]:
        assert math.exp(row["log_prob"]) == pytest.approx(
            row["copied"] + row["generated"], abs=1e-5
        )
        copied = sum(source["copied"] for source in row["sources"])
        assert row["copied"] == pytest.approx(copied, abs=1e-6 * (1 + len(row["sources"])))
        for source in row["sources"]:
            start = source["start"]
            assert start is None or TEXT[start : source["end"]] == source["token"]
    # The same numbers as `/predict`, which came from the same search.
    tokens = matrix["source_tokens"]
    place = {span: i for i, span in enumerate(zip(tokens["start"], tokens["end"], strict=True))}
    for weights, row in zip(np.array(matrix["weights"]), attention["rows"], strict=True):
        for source in row["sources"]:
            weight = weights[place[source["start"], source["end"]]]
            assert source["weight"] == pytest.approx(weight, abs=1e-6)
    assert found["summary_tokens"]["log_prob"] == matrix["summary_tokens"]["log_prob"]


def test_a_slow_explanation_is_polled_to_its_end_while_others_are_answered(small: str) -> None:
    begun = asked(small, "/explain", 202, methods=["leave_one_out", "ablation", "copy_split"])
    deadline = time.monotonic() + 60 * MINUTES
    while (found := httpx.get(f"{small}{begun['url']}").json())["state"] == "running":
        assert time.monotonic() < deadline
        asked(small, "/predict", key_sentences=0)
        time.sleep(0.05)
    assert (found["id"], found["state"]) == (begun["id"], "done")
    (prediction,) = found["result"]["predictions"]
    sentences, words, ablation, split = prediction["explanations"]
    assert (sentences["unit"], words["unit"], ablation["unit"]) == ("sentence", "word", "sentence")
    assert " ".join(sentences["source_units"]["token"]) == TEXT
    assert len(ablation["scores"]) == len(sentences["scores"]) == 3
    assert all(score is not None for score in words["scores"])  # there are but three sentences
    assert split["error"] <= 1e-5
    assert all(not e["evidence"]["measured"] for e in prediction["explanations"])
    assert httpx.delete(f"{small}{begun['url']}").status_code == 204
    assert httpx.get(f"{small}{begun['url']}").status_code == 404


def test_an_own_summary_has_the_numbers_of_the_written_one(small: str) -> None:
    (written,) = asked(small, "/predict", attention="matrix", num_beams=1)["predictions"]
    fields = {"summary": written["summary"], "methods": ["attention", "source_reliance"]}
    (own,) = asked(small, "/explain", **fields)["predictions"]
    tokens = written["attention"]["summary_tokens"]
    if own["summary_tokens"]["token"] == tokens["token"]:  # it may have stopped at its length
        found = own["summary_tokens"]["log_prob"]
        assert found == pytest.approx(tokens["log_prob"], abs=2e-4)
    assert own["summary"] == written["summary"]


def test_an_audit_is_the_same_each_time(small: str) -> None:
    first, again = (asked(small, "/predict", audit=True)["predictions"][0] for _ in range(2))
    assert first["audit"] == again["audit"]
    assert all(math.isfinite(change) for change in first["audit"].values())


@pytest.mark.parametrize("method", ["gradient", "self_attention"])
def test_a_method_without_its_signature_is_not_offered(
    serve: Callable[[Path], str], method: str
) -> None:
    url = serve(ARTIFACTS)
    offered = {m["method"] for m in httpx.get(f"{url}/info").json()["explanations"]["methods"]}
    fields = {"layer": 0, "head": 0} if method == "self_attention" else {}
    status = 200 if method in offered else 422
    found = asked(url, "/explain", status, methods=[method], **fields)
    assert status == 200 or "is not served" in found["detail"]
