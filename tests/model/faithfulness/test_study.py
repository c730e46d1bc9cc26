"""The time that a study says it will take, and took."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.explanation.document import Document
from model.explanation.planted import PlantedCopier
from model.faithfulness import study
from model.readers import Example

MINUTE = 60.0


class Copiers:
    """A planted copier, and others in place of its random weights."""

    weights_sha256 = "a"

    def scorer_of(self, style: str) -> PlantedCopier:
        return PlantedCopier()

    def randomised(self) -> Any:
        return iter([("all", self.scorer_of)])


def documents(number: int) -> list[Document]:
    ids = np.arange(10, 30)
    return [
        Document(
            source_ids=np.append(ids, 1).astype(np.int32),
            summary_ids=ids[[2 + i, 9]].astype(np.int32),
            words=np.append(np.arange(20), -1),
            sentences=np.append(np.arange(20) // 4, -1),
            overlap=np.isin(np.arange(20), (2 + i, 9)),
        )
        for i in range(number)
    ]


def test_minutes_are_those_of_the_clock_over_all_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data, kept = tmp_path / "data.jsonl", tmp_path / "kept.jsonl"
    data.write_text("", encoding="utf-8")
    examples = [Example("a text", "a line", "headline", "here")] * 5
    clock = count()
    monkeypatch.setattr(study, "estimate", lambda *_: "")
    monkeypatch.setattr(study.time, "perf_counter", lambda: MINUTE * next(clock))
    model: Any = Copiers()
    plan = study.Plan(data=[str(data)], longest=512, minutes=9, partial=kept)
    first = study.report_of(model, examples, documents(5), plan)
    assert 2 <= first["documents"] < 5  # the time was over
    passed = next(clock) - 1
    assert first["minutes"] <= passed
    again = study.report_of(
        model, examples, documents(5), study.Plan(**{**vars(plan), "minutes": None})
    )
    assert again["documents"] == 5
    assert first["minutes"] < again["minutes"] <= next(clock)


def test_a_score_of_a_text_of_twice_the_length_takes_twice_as_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = count()
    monkeypatch.setattr(study.time, "perf_counter", lambda: MINUTE * next(clock))
    model: Any = Copiers()
    short, other = documents(2)
    longer = replace(other, source_ids=np.tile(other.source_ids, 2))

    def minutes(*several: Document) -> float:
        return float(re.findall(r"(\d+) minutes", study.estimate(model, several))[0])

    alone = minutes(short)
    assert alone > 5  # a batch takes a minute
    assert minutes(short, other) == pytest.approx(2 * alone, abs=1)
    assert minutes(short, longer) == pytest.approx(3 * alone, abs=2)
