"""Everything a training job needs to go on, in one file that is either whole or not there."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np

FILE_NAME = "checkpoint.npz"

_UNREADABLE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile)


class CheckpointError(RuntimeError):
    """A checkpoint can't be written or read; the message says which and why."""


def save_checkpoint(
    path: Path,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    state: dict[str, Any],
) -> None:
    """Writes weights, optimizer and state beside `path`, then renames into place.

    Raises:
        CheckpointError: the disk is full or not writable; an older checkpoint stays.
    """
    arrays = {f"model/{i}": v.numpy() for i, v in enumerate(model.variables)}
    arrays |= {f"optimizer/{i}": v.numpy() for i, v in enumerate(optimizer.variables)}
    arrays["state"] = np.frombuffer(json.dumps(state).encode(), np.uint8)
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as stream:
            np.savez(stream, **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise CheckpointError(f"{path}: checkpoint not written: {error.strerror}") from error


def read_state(path: Path) -> dict[str, Any]:
    """The state that was saved.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    with _opened(path) as arrays:
        return dict(json.loads(arrays["state"].tobytes()))


def restore_checkpoint(
    path: Path, model: keras.Model, optimizer: keras.optimizers.Optimizer | None = None
) -> dict[str, Any]:
    """Assigns what was saved and returns the state.

    Raises:
        CheckpointError: the file is missing, damaged or of another network.
    """
    state = read_state(path)
    with _opened(path) as arrays:
        _assign(arrays, "model", model.variables, path)
        if optimizer is not None:
            _assign(arrays, "optimizer", optimizer.variables, path)
    return state


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The arrays of a file; they are read, and damage shows, only when they are asked for."""
    try:
        with path.open("rb") as stream, np.load(stream) as arrays:
            yield arrays
    except _UNREADABLE as error:
        raise CheckpointError(f"{path}: not a checkpoint: {error}") from error


def _assign(arrays: Any, group: str, variables: list[Any], path: Path) -> None:
    saved = sum(name.startswith(f"{group}/") for name in arrays.files)
    if saved != len(variables):
        raise CheckpointError(
            f"{path}: holds {saved} {group} arrays, this job has {len(variables)}"
        )
    for i, variable in enumerate(variables):
        array = arrays[f"{group}/{i}"]
        if tuple(array.shape) != tuple(variable.shape):
            raise CheckpointError(
                f"{path}: {variable.path} is {array.shape}, this job's is {tuple(variable.shape)}"
            )
        variable.assign(array)
