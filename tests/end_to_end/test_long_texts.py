"""Key sentences, selections and candidates of texts that are longer than the model reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

PLACES = ["Linden Bay", "the “old mill”", "Grünau 😀", "the north quay", "a café on the hill"]
TEXT = "\n\n".join(
    f"The ferry number {number} stopped at {PLACES[number % 5]} on its way to the island. "
    f"It carried {3 * number} crates and   {number} letters. Nobody waited for it in the rain."
    for number in range(1, 61)
)
SHORT = "A short note."
UNITS = {"code_point": ("utf-32-le", 4), "utf16": ("utf-16-le", 2), "utf8": ("utf-8", 1)}

pytestmark = pytest.mark.timeout(240)  # the first that asks for a trained network waits for it


@pytest.fixture(scope="module")
def url(trained: Path, serve: Callable[[Path], str]) -> str:
    return serve(trained / "artifacts")


def predict(url: str, inputs: str | list[str] = TEXT, **fields: Any) -> list[dict[str, Any]]:
    answer = httpx.post(f"{url}/predict", json={"inputs": inputs, **fields}, timeout=120)
    assert answer.status_code == 200, answer.text
    predictions: list[dict[str, Any]] = answer.json()["predictions"]
    return predictions


@pytest.mark.parametrize("unit", UNITS)
def test_whatever_is_read_of_a_long_text_its_offsets_slice_the_text_that_was_sent(
    url: str, unit: str
) -> None:
    encoding, width = UNITS[unit]
    encoded = TEXT.encode(encoding)

    def cut(start: int, end: int) -> str:
        return encoded[width * start : width * end].decode(encoding)

    for truncation in ("lead", "select"):
        fields = {"truncation": truncation, "offset_unit": unit, "num_beams": 1}
        (found,) = predict(url, attention="matrix", key_sentences=10, **fields)
        source, table = found["source"], found["attention"]["source_tokens"]
        assert source["truncated"]
        assert source["used_tokens"] < source["tokens"]
        assert found["attention"]["shape"][1] == source["used_tokens"]
        passages = source.get("passages", [{"start": 0, "end": source["used_end"]}])
        assert ("passages" in source) == (truncation == "select")
        assert passages[0]["start"] == 0
        places = zip(table["token"], table["start"], table["end"], table["special"], strict=True)
        for token, start, end, special in places:
            if not special:
                assert cut(start, end) == token
                assert any(p["start"] <= start and end <= p["end"] for p in passages)
        for sentence in found["key_sentences"]:
            assert cut(sentence["start"], sentence["end"]) == sentence["text"]
        (looked,) = predict(url, key_sentences=0, **fields)
        for entry in looked["attention"]:
            for place in entry["sources"]:
                assert cut(place["start"], place["end"]) == place["token"]


def test_key_sentences_are_of_the_whole_text_alone_and_beside_others(url: str) -> None:
    fields = {"attention": "none", "num_beams": 1, "key_sentences": 10}
    (alone,) = predict(url, **fields)
    scores = [sentence["score"] for sentence in alone["key_sentences"]]
    assert len(scores) == 10
    assert 0 < sum(scores) < 1
    starts = [sentence["start"] for sentence in alone["key_sentences"]]
    assert starts == sorted(starts)
    short, beside, _ = predict(url, [SHORT, TEXT, TEXT[:200]], **fields)
    assert [s["start"] for s in beside["key_sentences"]] == starts
    assert [s["score"] for s in beside["key_sentences"]] == pytest.approx(scores, abs=1e-4)
    assert short["key_sentences"] == [{"text": SHORT, "start": 0, "end": len(SHORT), "score": 1.0}]


def test_shares_add_up_to_one_over_all_chunks_of_a_text(url: str) -> None:
    text = " ".join(
        f"The ferry number {number} stopped at {place} and at the harbour of the long island."
        for number, place in enumerate(PLACES * 2)
    )
    (found,) = predict(url, text, attention="none", key_sentences=10)
    assert found["source"]["truncated"]
    sentences = found["key_sentences"]
    assert " ".join(sentence["text"] for sentence in sentences) == text
    assert sum(sentence["score"] for sentence in sentences) == pytest.approx(1, abs=1e-5)


def test_candidates_differ_and_fall_in_score(url: str) -> None:
    for fields in ({"candidates": 4}, {"candidates": 5, "support": "loose", "case": "title"}):
        for found in predict(url, [TEXT[:400], SHORT], attention="none", **fields):
            candidates = found["candidates"]
            assert 1 <= len(candidates) <= fields["candidates"]
            assert candidates[0]["summary"] == found["summary"]
            assert len({c["summary"] for c in candidates}) == len(candidates)
            scores = [c["score"] for c in candidates]
            assert scores == sorted(scores, reverse=True)
