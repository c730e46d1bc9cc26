"""Everything a training job needs to go on, in one file that is either whole or not there."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import keras
import numpy as np
from numpy.typing import NDArray

from model.training.averaging import WeightAverage

FILE_NAME = "checkpoint.npz"

_UNREADABLE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile)


class CheckpointError(RuntimeError):
    """A checkpoint can't be written or read; the message says which and why."""


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Writes beside `path` and renames into place: whoever is killed leaves the old file.

    What a killed write leaves, `remove_partial` removes and the next one replaces.

    Raises:
        CheckpointError: the disk is full or not writable; the old file stays.
    """
    partial = _partial(path)
    try:
        with partial.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        remove_partial(path)
        raise CheckpointError(f"{path}: not written: {error.strerror or error}") from error


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 as `write_whole` does."""
    write_whole(path, lambda stream: stream.write(text.encode()))


def remove_partial(path: Path) -> None:
    """Removes what a killed `write_whole` left, if it did."""
    with suppress(OSError):
        _partial(path).unlink(missing_ok=True)


def _partial(path: Path) -> Path:
    return path.with_name(f"{path.name}.partial")


def _sync_directory(directory: Path) -> None:
    """Makes the rename outlast a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_checkpoint(
    path: Path,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer | None,
    state: dict[str, Any],
    average: WeightAverage | None = None,
) -> None:
    """Writes weights, optimizer, average and state.

    Raises:
        FloatingPointError: a weight is not finite; an older checkpoint stays.
        CheckpointError: the disk is full or not writable; an older checkpoint stays.
    """
    groups = {"model": model.variables}
    groups |= {"optimizer": optimizer.variables} if optimizer else {}
    groups |= {"average": average.variables} if average else {}
    arrays = {
        f"{group}/{i}": variable.numpy()
        for group, variables in groups.items()
        for i, variable in enumerate(variables)
    }
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise FloatingPointError(
                f"{path}: not written: {name} holds numbers that aren't finite"
            )
    arrays["state"] = np.frombuffer(json.dumps(state).encode(), np.uint8)
    write_whole(path, lambda stream: np.savez(stream, allow_pickle=False, **arrays))


def read_state(path: Path) -> dict[str, Any]:
    """The state that was saved.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    with _opened(path) as arrays:
        return dict(json.loads(arrays["state"].tobytes()))


def read_weights(path: Path) -> list[NDArray[Any]]:
    """The network's own numbers in the order of its variables; the seed of a dropout is none.

    Raises:
        CheckpointError: the file is missing or damaged, or holds no network.
    """
    with _opened(path) as arrays:
        count = sum(name.startswith("model/") for name in arrays.files)
        held = [arrays[f"model/{i}"] for i in range(count)]
    if not held:
        raise CheckpointError(f"{path}: holds no network")
    return [array for array in held if array.dtype.kind == "f"]


def restore_checkpoint(
    path: Path,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer | None = None,
    average: WeightAverage | None = None,
) -> dict[str, Any]:
    """Assigns what was saved and returns the state.

    An average that was not saved begins at the weights.

    Raises:
        CheckpointError: the file is missing, damaged or of another network.
    """
    state = read_state(path)
    with _opened(path) as arrays:
        _assign(arrays, "model", model.variables, path)
        if optimizer is not None:
            _assign(arrays, "optimizer", optimizer.variables, path)
        if average is not None and "average/0" in arrays.files:
            _assign(arrays, "average", average.variables, path)
        elif average is not None:
            average.restart()
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
