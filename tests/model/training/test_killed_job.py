"""A job that is killed, again and again, ends in the bits of one that was not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from model.training.history import History

ROOT = Path(__file__).parents[3]
STEPS, SIGKILLED = 20, -9
CHECKPOINT_STEPS = 3  # of killed_job.py


def run(*runs: str) -> list[dict[str, Any]]:
    command = [sys.executable, str(Path(__file__).with_name("killed_job.py")), str(STEPS), *runs]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def numbers(directory: Path) -> list[dict[str, Any]]:
    rows = History(directory).rows()
    assert all(row.pop("seconds") > 0 for row in rows)
    return rows


@pytest.mark.timeout(900)
def test_killed_four_times_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    random = Random(11)
    first, second, third = (random.randint(1, 5) for _ in range(3))
    deaths = [f"step:{first + CHECKPOINT_STEPS}", "write:5", f"step:{second}", f"step:{third}"]
    expected, *dead, found = run(f"{whole}=end", *(f"{killed}={how}" for how in (*deaths, "end")))
    assert [each["exit"] for each in dead] == [SIGKILLED] * 4
    assert "checkpoint.npz.partial" in dead[1]["files"]
    assert found == expected
    assert {"exit", "files", "model", "optimizer", "average"} == set(found)
    assert found["exit"] == 0
    following = [(out / "following_batch").read_text() for out in (whole, killed)]
    assert following[0] == following[1]
    assert numbers(killed) == numbers(whole)
