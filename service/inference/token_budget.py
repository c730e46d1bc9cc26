"""What one call of the model may hold, which is less for a while after there was no memory."""

from __future__ import annotations

import time
from collections.abc import Callable

LEAST_WIDTH = 4

RECOVERY_S = 60.0
"""Without another shortage, after which a budget is doubled, until it is whole again."""


def row_width(num_beams: int = 1) -> int:
    """What a token of a row counts in a call: its hypotheses, and four at least.

    With fewer, and where nothing is searched, a row takes hardly less memory or time: nearly all of
    both is the encoder's.
    """
    return max(num_beams, LEAST_WIDTH)


class TokenBudget:
    """Padded source tokens of a call, times `row_width`. Lives in one worker process.

    Args:
        most: The budget while there is memory.
        clock: In seconds.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = self._tokens = most
        self._clock = clock
        self._changed_at = 0.0
        self.shortages = 0
        """Calls for which there was no memory, since the start."""

    @property
    def tokens(self) -> int:
        """What a call may hold now."""
        while self._tokens < self._most and self._clock() - self._changed_at >= RECOVERY_S:
            self._tokens = min(self._most, 2 * self._tokens)
            self._changed_at += RECOVERY_S
        return self._tokens

    def shrink(self, cost: int) -> None:
        """There was no memory for a call of this cost: calls hold half of it at most now."""
        self._tokens = max(1, min(self.tokens, cost // 2))
        self._changed_at = self._clock()
        self.shortages += 1
