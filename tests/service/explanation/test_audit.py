"""`"audit": true`: what a summary loses without the words that it looked at."""

from __future__ import annotations

import math
from typing import Any

import httpx
import numpy as np
import pytest

from model.explanation.planted import PlantedCopier
from service.explanation.audit import audit_of, audit_task
from service.schemas import PredictResponse

COPIER = PlantedCopier()
LONG = " ".join(f"word{number}" for number in range(40))


async def test_an_answer_audits_itself_in_one_batch(
    client: httpx.AsyncClient, predictor: Any
) -> None:
    answer = await client.post("/predict", json={"inputs": [LONG, LONG + " more"], "audit": True})
    PredictResponse.model_validate(answer.json(), extra="forbid")
    assert "audit;dur=" in answer.headers["server-timing"]
    assert [task.rows for task, background in predictor.asked if not background] == [6, 6]
    lost = 3 * math.log((COPIER.copied + COPIER.generated) / COPIER.generated)
    for prediction in answer.json()["predictions"]:
        audit = prediction["audit"]
        assert audit["top5_removed"] == pytest.approx(-lost, abs=0.2)
        assert audit["top5_removed"] < audit["random5_removed"] <= 0.5
    again = await client.post("/predict", json={"inputs": LONG, "audit": True})
    assert again.json()["predictions"][0]["audit"] == answer.json()["predictions"][0]["audit"]


async def test_nobody_is_audited_unasked(client: httpx.AsyncClient, predictor: Any) -> None:
    answer = await client.post("/predict", json={"inputs": LONG})
    assert "audit" not in answer.json()["predictions"][0]
    assert predictor.asked == []


def test_five_words_are_hidden_and_the_end_never_is(predictor: Any) -> None:
    task = audit_task(LONG, predictor.summary(LONG, "word7 word9 word30", "tldr"))
    assert task.style == "tldr"
    assert task.keep.shape == (6, 41)
    assert task.keep[:, -1].all()
    assert (~task.keep).sum(axis=1).tolist() == [0, 5, 5, 5, 5, 5]
    assert not task.keep[1, [7, 9, 30]].any()
    draws = {tuple(np.flatnonzero(~row)) for row in task.keep[2:]}
    assert len(draws) == 4


def test_a_short_text_loses_what_it_has(predictor: Any) -> None:
    task = audit_task("rain again", predictor.summary("rain again", "rain", "headline"))
    assert (~task.keep).sum(axis=1).tolist() == [0, 2, 2, 2, 2, 2]
    scores = COPIER.score(task.source_ids, task.keep, task.summary_ids)
    found = audit_of(scores)
    assert found["top5_removed"] == pytest.approx(found["random5_removed"])
