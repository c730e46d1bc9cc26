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

_TRIAL_TIMEOUT_S = 60
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


@cache
def _wins_trial(module: str) -> bool:
    """Whether a process that tries both comes to its end, and finds bfloat16 to be faster."""
    command = [sys.executable, "-m", module]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(_ROOT), *sys.path])}
    try:
        run = subprocess.run(  # noqa: S603 - our own code
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIAL_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("the trial of bfloat16 failed (%s); float32 it is", type(error).__name__)
        return False
    if run.returncode < 0:
        log.warning("the trial of bfloat16 ended by signal %d; float32 it is", -run.returncode)
    return run.returncode == 0
