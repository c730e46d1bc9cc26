"""What the service and its worker processes say to each other: length-prefixed pickles.

A frame is a head (the length of the pickle, how many buffers follow), the length of each buffer,
the pickle, and the buffers: large arrays, which are read straight into the memory that they keep
(pickle protocol 5, PEP 574). One with nothing in it is a sign of life: the answer will come. Both
ends are ours, so what arrives is trusted.
"""

from __future__ import annotations

import pickle
import struct
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

OUT_OF_BAND = 65_536
"""Bytes from which an array goes beside the pickle; smaller ones cost less inside than calls do."""

_HEAD = struct.Struct("<QI")
_SIZE = struct.Struct("<Q")

SIGN_OF_LIFE = _HEAD.pack(0, 0)
"""All of such a frame."""


def encode(message: Any) -> list[bytes | memoryview]:
    """The parts of a frame, in their order.

    Raises:
        Exception: whatever says that the message can't be pickled.
    """
    buffers: list[memoryview] = []

    def stays_inside(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < OUT_OF_BAND:
            return True
        buffers.append(raw)
        return False

    pickled = pickle.dumps(message, protocol=5, buffer_callback=stays_inside)
    sizes = [_SIZE.pack(buffer.nbytes) for buffer in buffers]
    return [b"".join([_HEAD.pack(len(pickled), len(buffers)), *sizes, pickled]), *buffers]


class Frame:
    """A frame that arrives: whoever reads fills `parts` one after the other."""

    def __init__(self) -> None:
        self._pickled = bytearray()
        self._buffers: list[bytearray] = []

    def parts(self) -> Iterator[memoryview]:
        """What is to be filled next; no part is empty."""
        head = bytearray(_HEAD.size)
        yield memoryview(head)
        length, count = _HEAD.unpack(head)
        if count:
            sizes = bytearray(count * _SIZE.size)
            yield memoryview(sizes)
            self._buffers = [bytearray(size) for (size,) in _SIZE.iter_unpack(sizes)]
        self._pickled = bytearray(length)
        if length:
            yield memoryview(self._pickled)
        for buffer in self._buffers:
            yield memoryview(buffer)

    @property
    def is_sign_of_life(self) -> bool:
        """Whether there is no message in it; known once all parts are filled."""
        return not self._pickled

    def message(self) -> Any:
        """The message, whose large arrays own the memory that they were read into."""
        return pickle.loads(self._pickled, buffers=self._buffers)  # noqa: S301 - our own process


class RemoteTraceback(Exception):  # noqa: N818 - the cause of an error, not one that is raised
    """Where in a worker process an error was raised; only a log shows it."""


@dataclass(frozen=True)
class Failure:
    """An exception on its way from a worker process.

    Attributes:
        type_name: Of the exception.
        pickled: The exception, if it can be pickled.
        trace: Its traceback.
    """

    type_name: str
    pickled: bytes | None
    trace: str

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """What can be said of an exception in another process."""
        try:
            pickled = pickle.dumps(error)
        except Exception:  # noqa: BLE001 - whatever it holds may raise whatever it likes
            pickled = None
        return cls(type(error).__name__, pickled, "".join(traceback.format_exception(error)))

    def exception(self) -> Exception:
        """The exception itself, or a RuntimeError with its type's name."""
        error = self._unpickled() or RuntimeError(self.type_name)
        error.__cause__ = RemoteTraceback(f"\n{self.trace}")
        return error

    def _unpickled(self) -> Exception | None:
        if self.pickled is None:
            return None
        try:
            error = _ImportsNothing(BytesIO(self.pickled)).load()
        except Exception:  # noqa: BLE001 - the constructor of any exception may run
            return None
        return error if isinstance(error, Exception) else None


class _ImportsNothing(pickle.Unpickler):
    """An error of TensorFlow's would otherwise bring TensorFlow into the service's process."""

    def find_class(self, module: str, name: str) -> Any:
        if module not in sys.modules:
            raise pickle.UnpicklingError(module)
        return super().find_class(module, name)
