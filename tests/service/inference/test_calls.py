"""Calls where there is no memory; test_engine.py has the widths of the calls."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from model.artifact import SALIENCY, SUMMARIZE
from service.errors import OutOfMemory
from service.inference.calls import ModelCalls, call_in_parts


def test_every_member_is_in_one_call_and_the_halving_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def call(members: list[int]) -> Any:
        if len(members) > 2:
            raise OutOfMemory
        return {"members": np.array(members)}

    with caplog.at_level(logging.WARNING):
        found = list(call_in_parts([5, 3, 9, 1, 7], call))
    assert [group for group, _ in found] == [[5, 3], [9], [1, 7]]
    assert all(outputs["members"].tolist() == group for group, outputs in found)
    assert caplog.messages == [
        "no memory for 5 texts at once: halving",
        "no memory for 3 texts at once: halving",
    ]


def test_what_can_be_no_smaller_teaches_nothing_about_batches() -> None:
    def starve(_: Any) -> Any:
        raise OutOfMemory

    model = ModelCalls({SALIENCY: starve, SUMMARIZE: starve}, max_batch_tokens=1024)
    inputs = {"source_ids": np.ones((1, 64), np.int32), "num_beams": np.array(4, np.int32)}
    with pytest.raises(OutOfMemory):
        model(SALIENCY, inputs)
    assert (model.budget.shortages, model.budget.tokens) == (1, 1024)
    with pytest.raises(OutOfMemory):
        model(SUMMARIZE, inputs)
    assert (model.budget.shortages, model.budget.tokens) == (2, 128)
    assert model.take() == []
