"""How fast the machine is at the moment: the host of a virtual one has others to serve, too."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bench.serving.raw import Raw

_TEXTS = 16
_BATCH = 4
_FRESH_S = 1.0
"""For which a look at the speed serves as the next one, too."""

Found = TypeVar("Found")


class Batched(Protocol):
    """The engine without any server, see `raw.RawEngines`."""

    def batched(self, texts: Sequence[str], batch: int) -> Raw:
        """All texts once."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Of the machine, over what it was at first: 0.5 where the same work takes twice as long.

    Attributes:
        wall: By the clock.
        cpu: By the processor time that the work takes.
    """

    wall: float = 1.0
    cpu: float = 1.0


class Pace:
    """Tells the machine's speed by work that is always the same, before and after what is measured.

    Args:
        raw: What does that work, and idles meanwhile.
        texts: Of which some of all lengths are the work.
    """

    def __init__(self, raw: Batched, texts: Sequence[str]) -> None:
        self._raw = raw
        step = max(1, len(texts) // _TEXTS)
        self._work = sorted(texts, key=len)[step // 2 :: step][:_TEXTS]
        self._raw.batched(self._work, _BATCH)  # warms up
        self._last, self._seen_at = self._take(), time.monotonic()
        self._first = self._last

    def during(self, measure: Callable[[], Found]) -> tuple[Found, Speed]:
        """What was measured, and the speed meanwhile: the mean of that before and that after it."""
        before = self._look()
        found = measure()
        after = self._look()
        return found, Speed(
            wall=(before.per_s + after.per_s) / 2 / self._first.per_s,
            cpu=2 * self._first.cpu_ms / (before.cpu_ms + after.cpu_ms),
        )

    def now(self) -> float:
        """By the clock."""
        return self._look().per_s / self._first.per_s

    def _look(self) -> Raw:
        if time.monotonic() - self._seen_at > _FRESH_S:
            self._last, self._seen_at = self._take(), time.monotonic()
        return self._last

    def _take(self) -> Raw:
        return self._raw.batched(self._work, _BATCH)
