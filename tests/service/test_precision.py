"""bfloat16 where the processor has it, a trial ends well, and it wins."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model.processor import has_bfloat16
from service import precision
from service.precision import end_trial, with_precision
from service.settings import Settings
from tests.processes import ROOT

TRIALS = {  # name: what a trial does, whether it wins
    "wins": ("", True),
    "loses": (f"raise SystemExit({precision.SLOWER})", False),
    "fails": ("raise RuntimeError", False),
    "aborts": ("import os; os.abort()", False),
    "hangs": ("import time; time.sleep(60)", False),
}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A processor with the instructions, no GPU, and a trial that wins."""
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    monkeypatch.setattr(precision, "has_gpu", lambda: False)
    monkeypatch.setattr(precision, "_ROOT", tmp_path)
    precision._wins_trial.cache_clear()
    for name, (code, _) in TRIALS.items():
        (tmp_path / f"trial_{name}.py").write_text(code)
    monkeypatch.setattr(precision, "TRIAL", "trial_wins")


@pytest.mark.parametrize("name", TRIALS)
def test_a_trial_decides_and_one_that_does_not_end_well_is_lost(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    monkeypatch.setattr(precision, "TRIAL", f"trial_{name}")
    if name == "hangs":
        monkeypatch.setattr(precision, "_TRIAL_TIMEOUT_S", 0.5)
    expected = "bfloat16" if TRIALS[name][1] else "float32"
    assert with_precision(Settings()).precision == expected
    assert ("the trial of bfloat16 failed" in caplog.text) == (name not in ("wins", "loses"))


def test_a_trial_that_nobody_waits_for_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "TRIAL", "trial_hangs")
    with ThreadPoolExecutor(1) as pool:
        chosen = pool.submit(with_precision, Settings())
        while not precision._trials:
            time.sleep(0.01)
        end_trial()
        assert chosen.result(timeout=30).precision == "float32"


@pytest.mark.parametrize("wanted", ["float32", "bfloat16"])
def test_what_is_asked_for_is_not_tried(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setenv("SUMMARIZER_PRECISION", wanted)
    monkeypatch.setattr(precision, "_wins_trial", lambda _: pytest.fail("it was tried"))
    assert with_precision(Settings()).precision == wanted


def test_a_processor_without_it_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    monkeypatch.setattr(precision, "_wins_trial", lambda _: pytest.fail("it was tried"))
    assert with_precision(Settings()).precision == "float32"


@pytest.mark.parametrize(("device", "expected"), [("auto", "float32"), ("cpu", "bfloat16")])
def test_a_gpu_gets_float32(monkeypatch: pytest.MonkeyPatch, device: str, expected: str) -> None:
    monkeypatch.setattr(precision, "has_gpu", lambda: True)
    monkeypatch.setenv("SUMMARIZER_DEVICE", device)
    assert with_precision(Settings()).precision == expected


@pytest.mark.timeout(120)
def test_the_real_trial_comes_to_an_end_whatever_the_processor_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    assert precision._wins_trial(precision.TRIAL) in (True, False)
    if has_bfloat16():  # on others it may end by a signal, which counts as lost
        command = [sys.executable, "-m", precision.TRIAL]
        run = subprocess.run(command, capture_output=True, cwd=ROOT, check=False)
        assert run.returncode in (precision.FASTER, precision.SLOWER), run.stderr
