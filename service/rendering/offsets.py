"""Code-point offsets in the unit that a client counts in."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

OffsetUnit = Literal["code_point", "utf16", "utf8"]


class OffsetTable:
    """Converts offsets into one text from code points, by one prefix table.

    Args:
        text: The text that the offsets point into; no lone surrogates.
        unit: What the client counts: code points, UTF-16 code units or UTF-8 bytes.
    """

    def __init__(self, text: str, unit: OffsetUnit) -> None:
        # A text of ASCII counts the same in every unit.
        same = unit == "code_point" or text.isascii()
        self._starts = None if same else _prefix_table(text, unit)

    def __getitem__(self, code_point: int) -> int:
        """The offset, in the client's unit, of the code point at this position."""
        return code_point if self._starts is None else int(self._starts[code_point])

    def code_points(self, start: int, end: int) -> tuple[int, int]:
        """The code points that a span in the client's unit touches, be it only in part.

        Args:
            start: At least 0.
            end: After `start`, and not after the end of the text.
        """
        if self._starts is None:
            return start, end
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        return first, int(np.searchsorted(self._starts, end, side="left"))


def _prefix_table(text: str, unit: OffsetUnit) -> NDArray[np.int64]:
    code_points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    sizes = 1 + (code_points > 0xFFFF).astype(np.int64)
    if unit == "utf8":
        sizes += (code_points > 0x7F).astype(np.int64) + (code_points > 0x7FF)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
