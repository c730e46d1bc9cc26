"""Ragged integer arrays from `.npz` files, without running what a file's pickles may ask for.

NumPy can store lists of different lengths only as pickles, and a pickle may call anything.
Keras' own reader admits three names of NumPy; this one puts inert stand-ins in their place, so
that not even NumPy's code sees the state that a file describes.
"""

from __future__ import annotations

import pickle
import re
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from model.readers.rows import DataError

_DAMAGE = (
    *(OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError),
    *(SyntaxError, tokenize.TokenError),  # an array's header is a Python literal
    # Unpickling may raise these, "but not necessarily limited to" them, as its documentation says.
    *(pickle.UnpicklingError, AttributeError, ImportError, LookupError, TypeError),
    *(ArithmeticError, MemoryError, RecursionError, ValueError),
)

_INTEGER = re.compile(r"[iu][1248]")


class _Dtype:
    """Stands for `numpy.dtype`."""

    def __init__(self, name: str, *_: object) -> None:
        self._name, self._order = name, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._order = ">" if state[1] == ">" else "<"

    def integers(self, data: object) -> list[int]:
        if not _INTEGER.fullmatch(self._name) or not isinstance(data, bytes):
            raise pickle.UnpicklingError("arrays must be of integers or of lists")
        return [int(i) for i in np.frombuffer(data, self._order + self._name)]


class _Array:
    """Stands for `numpy.ndarray`: keeps its items, in rows where it has two dimensions."""

    def __init__(self, *_: object) -> None:
        self.items: list[Any] = []

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, columns_first, data = state
        items = data if isinstance(data, list) else dtype.integers(data)
        if len(shape) == 2 and not columns_first:
            items = [items[i : i + shape[1]] for i in range(0, len(items), max(1, shape[1]))]
        elif len(shape) != 1:
            raise pickle.UnpicklingError("arrays must have one dimension")
        self.items = items


def _scalar(dtype: _Dtype, data: object) -> int:
    (number,) = dtype.integers(data)
    return number


_STAND_INS = {
    "numpy.ndarray": _Array,
    "numpy.dtype": _Dtype,
    # NumPy 1 and NumPy 2 have the same in different places.
    **dict.fromkeys(
        ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"), _Array
    ),
    **dict.fromkeys(("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"), _scalar),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[f"{module}.{name}"]
        except KeyError:
            raise pickle.UnpicklingError(f"asks for {module}.{name}, which is no array") from None


def read_sequences(path: Path, name: str) -> list[Any]:
    """One array of an `.npz` file, its items as lists of integers wherever they are that.

    Raises:
        DataError: the file or the array is missing or damaged, or a pickle asks for anything but
            lists, integers and arrays of them.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = f"{name}.npy" in archive.namelist()
            array = _read_array(archive, f"{name}.npy") if found else []
    except _DAMAGE as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{path}: {name}: can't be read: {reason}") from error
    if not found:
        raise DataError(f"{path}: has no array {name!r}")
    return array


def _read_array(archive: zipfile.ZipFile, member: str) -> list[Any]:
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            _, _, dtype = np.lib.format.read_array_header_1_0(stream)
        else:
            _, _, dtype = np.lib.format.read_array_header_2_0(stream)
        if not dtype.hasobject:
            stream.seek(0)
            return list(np.lib.format.read_array(stream, allow_pickle=False).tolist())
        array = _Unpickler(stream).load()
    if not isinstance(array, _Array):
        raise pickle.UnpicklingError("the pickle is no array")
    return [item.items if isinstance(item, _Array) else item for item in array.items]
