"""The artifact that `make serve` serves, asked about a neutral text of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx

from model import artifact
from model.explanation.claims import LEAST_SENTENCE_TAU, LOOKED, MUST_BEAT
from model.explanation.methods.copy_split import TOLERANCE

TEXT = (
    "The city council of Harrowby voted on Tuesday to build a tram line from the main station to "
    "the harbour. Construction will begin in spring and will cost 48 million dollars, the council "
    "said. The line will have nine stops and is expected to carry 12,000 passengers a day. "
    "Shopkeepers along the route had asked for longer opening hours of the old bus service while "
    "the tracks are laid."
)


def test_it_writes_a_sensible_headline(serve: Callable[[Path], str]) -> None:
    answer = httpx.post(f"{serve(artifact.ARTIFACTS)}/predict", json={"inputs": TEXT}, timeout=60)
    assert answer.status_code == httpx.codes.OK
    prediction = answer.json()["predictions"][0]
    words = re.findall(r"\w+", prediction["summary"].casefold())
    known = set(re.findall(r"\w+", TEXT.casefold()))
    assert prediction["finish_reason"] == "stop"
    assert 4 <= len(words) <= 25
    assert sum(word in known for word in words) >= 0.6 * len(words)
    assert {"harrowby", "tram", "council"} & set(words)
    assert len(words) - len(set(words)) <= 3


def test_it_is_small_enough_to_clone() -> None:
    directory = artifact.latest_version(artifact.ARTIFACTS)
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    assert size <= 40 * 2**20


def test_it_names_the_data_that_it_learnt_from() -> None:
    manifest = artifact.read_manifest(artifact.latest_version(artifact.ARTIFACTS))
    assert manifest.training["data"]
    assert all(len(row["sha256"]) == 64 for row in manifest.training["data"])


def test_its_attention_is_worth_what_is_said_of_it() -> None:
    directory = artifact.latest_version(artifact.ARTIFACTS)
    report = json.loads((directory / artifact.FAITHFULNESS).read_text(encoding="utf-8"))
    attention = report["methods"]["attention"]
    assert report["documents"] >= 200
    assert report["budgets"] == [0.05, 0.1, 0.2, 0.5]
    for baseline in MUST_BEAT:
        lows = [advantage["low"] for advantage in attention["advantage"][baseline]]
        assert len(lows) == len(report["budgets"])
        assert min(lows) > 0
    assert attention["normalised_comprehensiveness"]["low"] >= 0.6
    assert report["split_error"] <= TOLERANCE
    assert report["copied_at_peak"]["share"] >= 0.95
    if attention["sentence_tau"]["mean"] < LEAST_SENTENCE_TAU:
        assert attention["phrase"] == LOOKED
