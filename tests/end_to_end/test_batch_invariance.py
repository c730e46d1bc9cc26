"""Row 23 of docs/reliability.md: what stands beside a text changes nothing about its summary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

TOLERANCE = {"float32": 1e-4, "bfloat16": 2e-2}  # docs/contract.md, by precision

TEXT = (
    "The harbour museum of Linden Bay opens a new hall on Saturday. It shows forty model ships "
    "that a retired rope maker built over thirty years. Entry is free until the end of June."
)
SHORT, LONG = "A short note.", TEXT * 3

pytestmark = pytest.mark.timeout(240)  # the first that asks for a trained network waits for it


def predict(url: str, inputs: list[str], **fields: Any) -> list[dict[str, Any]]:
    request = {"inputs": inputs, "attention": "matrix", **fields}
    answer = httpx.post(f"{url}/predict", json=request, timeout=60)
    assert answer.status_code == 200, answer.text
    predictions: list[dict[str, Any]] = answer.json()["predictions"]
    return predictions


@pytest.fixture(scope="module")
def url(trained: Path, serve: Callable[[Path], str]) -> str:
    return serve(trained / "artifacts")


@pytest.mark.parametrize("num_beams", [1, 4])
@pytest.mark.parametrize("text", [TEXT, SHORT, LONG], ids=["middle", "short", "long"])
def test_row_23_a_text_gets_the_same_alone_and_in_any_batch(
    url: str, text: str, num_beams: int
) -> None:
    (alone,) = predict(url, [text], num_beams=num_beams)
    tolerance = TOLERANCE[httpx.get(f"{url}/info").json()["model"]["precision"]]
    neighbours = [[SHORT], [LONG], [text], [TEXT, SHORT, LONG], [LONG] * 7, [SHORT] * 7]
    for others in neighbours:
        for place in {0, len(others) // 2, len(others)}:
            batch = [*others[:place], text, *others[place:]]
            found = predict(url, batch, num_beams=num_beams)[place]
            assert found["summary"] == alone["summary"]
            assert found["source"] == alone["source"]
            assert found["log_prob"] == pytest.approx(alone["log_prob"], abs=10 * tolerance)
            ours, theirs = (np.array(p["attention"]["weights"]) for p in (found, alone))
            assert ours.shape == theirs.shape
            assert np.abs(ours - theirs).max() <= tolerance


def test_row_23_no_attention_falls_on_padding(url: str) -> None:
    for prediction in predict(url, [SHORT, TEXT, LONG, "x"]):
        weights = np.array(prediction["attention"]["weights"])
        assert weights.shape[1] == prediction["source"]["used_tokens"]
        # Six decimals a weight: what a row lacks in 1 would lie on columns that are not shown.
        assert np.abs(weights.sum(axis=1) - 1).max() <= weights.shape[1] * 5e-7 + 1e-5


def test_row_23_thirty_two_texts_get_what_each_gets_alone(url: str) -> None:
    texts = [" ".join(TEXT.split()[number:]) for number in range(16)] * 2
    together = predict(url, texts, attention="sources")
    for text, found in zip(texts[:4], together[:4], strict=True):
        (alone,) = predict(url, [text], attention="sources")
        assert found["summary"] == alone["summary"]
