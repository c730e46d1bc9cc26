"""That the bits are the same is shown by test_killed_job.py."""

from __future__ import annotations

import keras
import pytest

from model.training.determinism import DeterminismError, make_deterministic


def test_once_something_is_computed_it_is_too_late() -> None:
    keras.ops.ones(3)
    with pytest.raises(DeterminismError, match="threads can't be changed any more"):
        make_deterministic()


def test_another_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(DeterminismError, match="needs KERAS_BACKEND=tensorflow, got 'torch'"):
        make_deterministic()
