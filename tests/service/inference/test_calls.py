"""Where there is no memory for a group; test_signature_predictor.py has the widths of the calls."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from service.errors import OutOfMemory
from service.inference.calls import call_in_parts


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
