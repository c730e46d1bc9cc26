"""What the encoder computes in: bfloat16, where this machine has it and is faster with it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

from model.processor import has_bfloat16
from service.settings import Settings
from service.workers.capacity import has_gpu

BFLOAT16: Final = "bfloat16"
FLOAT32: Final = "float32"

TRIAL = "service.bfloat16_trial"
"""Run apart: on a processor that turns out to lack an instruction, oneDNN ends its process."""

FASTER, SLOWER = 0, 3
"""How it ends; otherwise it failed."""

_TRIAL_TIMEOUT_S = 60
_trials: set[subprocess.Popen[bytes]] = set()
_ROOT = Path(__file__).parents[1]

log = logging.getLogger(__name__)


def with_precision(settings: Settings) -> Settings:
    """The settings, with a type in the place of `auto`. Takes seconds the first time.

    A GPU gets float32: nothing was measured there.
    """
    if settings.precision != "auto":
        return settings
    on_cpu = settings.device == "cpu" or (settings.device == "auto" and not has_gpu())
    is_faster = on_cpu and has_bfloat16() and _wins_trial(TRIAL)
    return settings.model_copy(update={"precision": BFLOAT16 if is_faster else FLOAT32})


def end_trial() -> None:
    """Ends a trial that runs, for whoever does not want to wait for it any more."""
    for process in list(_trials):
        process.kill()


@cache
def _wins_trial(module: str) -> bool:
    """Whether a process that tries both comes to its end, and finds bfloat16 to be faster."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(_ROOT), *sys.path])}
    process = subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-m", module],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _trials.add(process)
    try:
        status = process.wait(_TRIAL_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        status = process.wait()
    finally:
        _trials.discard(process)
    if status not in (FASTER, SLOWER):
        log.warning("the trial of bfloat16 failed (status %d); float32 it is", status)
    return status == FASTER
