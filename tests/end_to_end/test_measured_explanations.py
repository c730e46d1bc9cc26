"""`/explain` beside `faithfulness.json`: what was measured is what is served."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from model.artifact import (
    ARTIFACTS,
    FAITHFULNESS,
    GOLDEN_TOLERANCE,
    MODEL_CARD,
    TOKENIZER,
    Manifest,
    latest_version,
    read_golden,
    read_manifest,
)
from model.explanation.claims import ALWAYS_SERVED, LOOKED
from model.explanation.document import Document, read_document
from model.explanation.rankings import METHODS
from model.explanation.report import RELIANCE
from model.exporting.card import write_card, write_explanations
from model.tokenizer import Tokenizer

MINUTES = 2
ROUNDED = 1e-6  # each number of an answer, by less

MEASURED = ["small"]
if (latest_version(ARTIFACTS) / FAITHFULNESS).exists():
    MEASURED.append("shipped")

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Served:
    """A service on an artifact that was measured."""

    url: str
    directory: Path
    manifest: Manifest
    report: dict[str, Any]
    tokenizer: Tokenizer

    def asked(self, **fields: Any) -> dict[str, Any]:
        """The one prediction of `/explain`, however long it takes."""
        answer = httpx.post(f"{self.url}/explain", json=fields, timeout=60)
        assert answer.status_code in {200, 202}, answer.text
        found = answer.json()
        deadline = time.monotonic() + 60 * MINUTES
        while "predictions" not in found:
            assert time.monotonic() < deadline
            time.sleep(0.05)
            polled = httpx.get(f"{self.url}{answer.json()['url']}").json()
            assert polled["state"] != "failed", polled
            found = polled["result"] or {}
        (prediction,) = found["predictions"]
        return dict(prediction)


@pytest.fixture(params=MEASURED)
def served(request: pytest.FixtureRequest, serve: Callable[[Path], str]) -> Served:
    root = ARTIFACTS if request.param == "shipped" else request.getfixturevalue("measured")
    directory = latest_version(root)
    return Served(
        url=serve(root),
        directory=directory,
        manifest=read_manifest(directory),
        report=json.loads((directory / FAITHFULNESS).read_text(encoding="utf-8")),
        tokenizer=Tokenizer.load(directory / TOKENIZER),
    )


def test_the_evidence_is_that_of_the_file(served: Served) -> None:
    found = httpx.get(f"{served.url}/info").json()["explanations"]["methods"]
    offered = {method["method"]: method for method in found}
    entries = served.report["methods"]
    for name in [name for name in METHODS if name in entries]:  # an older report lacks some
        earned = entries[name]["phrase"] is not None
        assert (name in offered) == earned
        if name in ALWAYS_SERVED:
            assert earned
        elif earned:
            assert entries[name]["sane"]
    text = read_golden(served.directory)[0].text
    explanations = served.asked(inputs=text)["explanations"]
    assert [e["method"] for e in explanations] == [*ALWAYS_SERVED]
    for explanation in explanations:
        evidence, entry = explanation["evidence"], entries[explanation["method"]]
        assert evidence["measured"]
        for name in ("documents", "kinds_of_text", "longest_text"):
            assert evidence[name] == served.report[name]
        assert evidence["sane"] == entry["sane"]
        for figure in ("comprehensiveness_area", "sentence_tau"):
            assert evidence[figure] == {
                end: round(entry[figure][end], 6) for end in ("mean", "low", "high")
            }
        for baseline, advantage in evidence["advantage"].items():
            assert advantage == round(min(d["low"] for d in entry["advantage"][baseline]), 6)
        assert (evidence["phrase"] == LOOKED) == (entry["phrase"] == LOOKED)


def test_a_method_that_failed_is_refused(served: Served) -> None:
    entries = served.report["methods"]
    failed = [name for name in METHODS if name in entries and entries[name]["phrase"] is None]
    reliance = served.report.get(RELIANCE)
    failed += [RELIANCE] if reliance and reliance["phrase"] is None else []
    for name in failed:
        answer = httpx.post(f"{served.url}/explain", json={"inputs": "A text.", "methods": [name]})
        assert answer.status_code == 422
        assert "is not served" in answer.json()["detail"]


def test_the_stored_scores_of_golden_texts_are_served(served: Served) -> None:
    golden, compared = read_golden(served.directory), 0
    tolerance = GOLDEN_TOLERANCE[httpx.get(f"{served.url}/info").json()["model"]["precision"]]
    for stored in served.report["golden"]:
        example = golden[stored["golden"]]
        # A part of a summary, without its `<eos>`; sent as text, it has to become the same tokens.
        summary = served.tokenizer.decode(example.summary_ids).text
        if served.tokenizer.encode(summary).ids[:-1] != example.summary_ids:
            continue
        compared += 1
        methods = ["attention"]
        methods += ["leave_one_out"] if served.report["methods"]["leave_one_out"]["phrase"] else []
        found = served.asked(
            inputs=example.text,
            style=example.style,
            summary=summary,
            target={"start": 0, "end": len(summary)},
            methods=methods,
            unit="token",
        )
        attention, *slow = found["explanations"]
        source = served.tokenizer.encode(example.text, served.manifest.max_source_tokens)
        document = read_document(
            served.tokenizer, example.text, source, example.summary_ids, example.style
        )
        weights, rest = attention_by_word(attention["rows"], source.spans, document)
        # An answer lists the largest weights, and of the others only their sum.
        missing = np.array(stored["attention"]) - weights
        allowed = tolerance.attention + 32 * ROUNDED
        assert missing.min() >= -allowed
        assert missing.sum() == pytest.approx(rest, abs=len(missing) * allowed)
        if slow:
            nats = 2 * len(example.summary_ids) * tolerance.log_prob + ROUNDED
            np.testing.assert_allclose(slow[0]["scores"], stored["leave_one_out"], atol=nats)
    assert compared


def attention_by_word(
    rows: list[dict[str, Any]], spans: list[tuple[int, int]], document: Document
) -> tuple[Any, float]:
    """The mean of the rows, by word as far as they list it, and what they don't list."""
    word_of = {span: int(word) for span, word in zip(spans, document.words, strict=False)}
    weights = np.zeros(len(document.overlap))
    for row in rows:
        for source in row["sources"]:
            weights[word_of[source["start"], source["end"]]] += source["weight"]
    special_and_rest = [row["rest"] - row["special"] for row in rows]
    return weights / len(rows), float(np.mean(special_and_rest))


def test_the_card_says_on_what_it_was_measured(measured: Path, tmp_path: Path) -> None:
    directory = shutil.copytree(measured / "1", tmp_path / "1")
    card = (directory / MODEL_CARD).read_text(encoding="utf-8")
    assert card.count("## Explanations") == card.count("Measured on 3 texts (builtin 3)") == 1
    manifest = read_manifest(directory)
    assert {FAITHFULNESS, "faithfulness.svg"} < manifest.files.keys()
    write_explanations(directory, manifest)
    assert (directory / MODEL_CARD).read_text(encoding="utf-8") == card
    write_card(directory, "a table", "a sample", manifest.low_confidence_log_prob)
    again = (directory / MODEL_CARD).read_text(encoding="utf-8")
    assert "a table" in again
    assert again.endswith(card[card.index("## Explanations") :])
