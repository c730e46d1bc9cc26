"""Results kept for whoever asks for the same again, bounded by bytes.

Knows neither HTTP nor TensorFlow.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Result = TypeVar("Result")

ENTRY_BYTES = 512
"""What the cache itself needs for one result, about: the node, the key's tuple, the integers."""


class ResultCache(Generic[Result]):
    """Forgets what was asked for longest ago. Lives on one thread.

    Args:
        max_bytes: Bound on all results and their keys; 0 keeps nothing.
        size_of: The bytes of a result and its key, measured when it is stored.
    """

    def __init__(self, max_bytes: int, size_of: Callable[[Hashable, Result], int]) -> None:
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._kept: OrderedDict[Hashable, tuple[Result, int]] = OrderedDict()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """What is kept, never more than the bound."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept

    def __getitem__(self, key: Hashable) -> Result:
        """The result, which is then the last to be forgotten.

        Raises:
            KeyError: it isn't kept.
        """
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def put(self, key: Hashable, result: Result) -> None:
        """Keeps a result; one that is over the bound by itself displaces nothing."""
        if self._max_bytes == 0:
            return
        self._forget(key)
        size = self._size_of(key, result) + ENTRY_BYTES
        if size > self._max_bytes:
            return
        while self._bytes + size > self._max_bytes:
            self._forget(next(iter(self._kept)))
        self._kept[key] = (result, size)
        self._bytes += size

    def clear(self) -> None:
        """Forgets everything."""
        self._kept.clear()
        self._bytes = 0

    def _forget(self, key: Hashable) -> None:
        if key in self._kept:
            self._bytes -= self._kept.pop(key)[1]
