from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.workers.processors import available_processors


@pytest.mark.parametrize(("quota", "expected"), [("100000 100000", 1), ("50000 100000", 1)])
def test_a_quota_limits_the_processors(tmp_path: Path, quota: str, expected: int) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert available_processors(file) == expected


@pytest.mark.parametrize("quota", ["max 100000", "nonsense", None])
def test_without_a_quota_all_allowed_processors_count(tmp_path: Path, quota: str | None) -> None:
    file = tmp_path / "cpu.max"
    if quota is not None:
        file.write_text(quota)
    assert available_processors(file) == len(os.sched_getaffinity(0))
