"""How far a job is: steps, loss and time left, one line at a time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

REPORT_STEPS = 20


class Progress:
    """Counts steps and time, and reports every few steps how much of both is left."""

    def __init__(self, state: dict[str, Any], steps: int) -> None:
        self._state, self._steps = state, steps
        self._began, self._first = time.monotonic(), state["step"]
        self._before = state["seconds"]
        self._losses: list[float] = []

    def add(self, loss: float) -> None:
        """Counts one step.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} after step {self._state['step']}: "
                "lower the learning rate and start again from the last checkpoint"
            )
        self._losses.append(loss)
        self._state["step"] += 1
        elapsed = time.monotonic() - self._began
        self._state["seconds"] = self._before + elapsed
        step = self._state["step"]
        if step % REPORT_STEPS == 0 or step == self._steps:
            pace = elapsed / (step - self._first)
            minutes = (self._steps - step) * pace / 60
            loss = float(np.mean(self._losses))
            report("step", step=step, loss=loss, s_per_step=pace, minutes_left=minutes)
            self._losses.clear()


def report(event: str, **numbers: float) -> None:
    """One line of progress that a human and a program can read."""
    fields = " ".join(f"{key}={value:.4g}" for key, value in numbers.items())
    print(f"{event} {fields}", flush=True)  # noqa: T201  # what this room is for
