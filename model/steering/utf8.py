"""Which tokens may follow which, so that bytes are valid UTF-8 (Unicode 3.9, table 3-7)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WHOLE = 0
"""The state between two characters; summaries end here."""

REFUSED = -1

_STATES: dict[int, list[tuple[int, int, int]]] = {
    WHOLE: [
        (0x00, 0x7F, WHOLE),
        (0xC2, 0xDF, 1),
        (0xE0, 0xE0, 4),
        (0xE1, 0xEC, 2),
        (0xED, 0xED, 5),
        (0xEE, 0xEF, 2),
        (0xF0, 0xF0, 6),
        (0xF1, 0xF3, 3),
        (0xF4, 0xF4, 7),
    ],
    1: [(0x80, 0xBF, WHOLE)],
    2: [(0x80, 0xBF, 1)],
    3: [(0x80, 0xBF, 2)],
    4: [(0xA0, 0xBF, 1)],
    5: [(0x80, 0x9F, 1)],
    6: [(0x90, 0xBF, 2)],
    7: [(0x80, 0x8F, 2)],
}


def transitions(token_bytes: Sequence[bytes], end_ids: Sequence[int]) -> NDArray[np.int32]:
    """The state after each token, int32 (states, V), REFUSED where it breaks a character.

    Args:
        token_bytes: The bytes of every token; special tokens have none and leave the state.
        end_ids: Tokens that may only stand between two characters.
    """
    table = np.array([[_after(state, data) for data in token_bytes] for state in _STATES], np.int32)
    for token_id in end_ids:
        table[WHOLE + 1 :, token_id] = REFUSED
    return table


def tokens_missing(table: NDArray[np.int32]) -> NDArray[np.int32]:
    """By state, the fewest tokens of a table of `transitions` that complete the character."""
    missing = np.where(np.arange(len(table)) == WHOLE, 0, len(table)).astype(np.int32)
    for _ in table:
        after = np.where(table == REFUSED, len(table), missing[table])
        missing = np.minimum(missing, 1 + after.min(axis=1))
    return missing


def _after(state: int, data: bytes) -> int:
    for byte in data:
        ranges = _STATES[state]
        state = next((after for low, high, after in ranges if low <= byte <= high), REFUSED)
        if state == REFUSED:
            return REFUSED
    return state
