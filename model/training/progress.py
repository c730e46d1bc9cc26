"""How far a job is: steps, loss and time left, one line at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from model.training.history import Row

Schedule = Callable[[int], float]

REPORT_STEPS = 20


class Progress:
    """Counts steps and time, and reports every few steps how much of both is left.

    All that it knows is in `state`, so that a job which was stopped reports as if it had not been.
    """

    def __init__(self, state: dict[str, Any], steps: int, learning_rate: Schedule) -> None:
        self._state, self._steps, self._learning_rate = state, steps, learning_rate
        self._began, self._first = time.monotonic(), state["step"]
        self._before = state["seconds"]
        state.setdefault("losses", [])

    def add(self, loss: float, sentence_loss: float = 0.0) -> Row | None:
        """Counts one step; returns what is to be remembered, where it is time for a report.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        state = self._state
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} after step {state['step']}: "
                "lower the learning rate and start again from the last checkpoint"
            )
        state["losses"].append([loss, sentence_loss])
        state["step"] += 1
        elapsed = time.monotonic() - self._began
        state["seconds"] = self._before + elapsed
        if state["step"] % REPORT_STEPS and state["step"] < self._steps:
            return None
        step = state["step"]
        loss, sentence_loss = np.mean(state["losses"], axis=0).tolist()
        state["losses"].clear()
        pace = elapsed / (step - self._first)
        minutes = (self._steps - step) * pace / 60
        losses = {"loss": loss, "sentence_loss": sentence_loss}
        report("step", step=step, **losses, s_per_step=pace, minutes_left=minutes)
        rate = self._learning_rate(step - 1)
        return {"step": step, "seconds": state["seconds"], **losses, "learning_rate": rate}


def report(event: str, **numbers: float) -> None:
    """One line of progress that a human and a program can read."""
    fields = " ".join(f"{key}={value:.4g}" for key, value in numbers.items())
    print(f"{event} {fields}", flush=True)  # noqa: T201  # what this room is for
