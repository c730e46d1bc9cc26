"""Moments at which nothing waits and a worker is idle, for work that is in nobody's way."""

from __future__ import annotations

import asyncio


class SpareTime:
    """A line of those who wait for such a moment; who came first is let in first."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()  # at first, there is nothing
        self._line = asyncio.Lock()
        self._is_over = False

    async def wait(self) -> None:
        """Returns at such a moment, or when there will be no more."""
        async with self._line:
            while not (self._is_over or self._open.is_set()):
                await self._open.wait()

    def note(self, *, is_now: bool) -> None:
        """Whether this is such a moment."""
        if is_now:
            self._open.set()
        else:
            self._open.clear()

    def end(self) -> None:
        """Nobody is to wait any longer."""
        self._is_over = True
        self._open.set()
