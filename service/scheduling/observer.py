"""What a scheduler tells of itself, so that somebody may count it."""

from __future__ import annotations

from typing import Protocol


class SchedulerObserver(Protocol):
    """Told of all that happens to works, on the event loop.

    Every work submitted is in `refused` or in `admitted`. What enters the queue leaves it: once it
    is empty, `queued` of all `admitted` plus `retried` is `started` plus `dropped` plus `missed`.
    """

    def waiting(self, texts: int, tokens: int) -> None:
        """So many texts wait now, with so many source tokens (estimated, not padded)."""
        ...

    def refused(self, reason: str, texts: int) -> None:
        """None of a client's texts was taken; the reason is the `name` of the error."""
        ...

    def admitted(self, *, cached: int, joined: int, queued: int) -> None:
        """A client's texts were taken.

        Args:
            cached: Answered by the cache.
            joined: Identical to another that waits or runs, so not run for themselves.
            queued: To be run. With a cache, `joined + queued` are its misses.
        """
        ...

    def started(self, texts: int, tokens: int, padded_tokens: int) -> None:
        """A call began. Padded waste is `1 - tokens / padded_tokens`."""
        ...

    def retried(self, texts: int, *, lost: bool) -> None:
        """A call failed, or its worker was lost; so many of its texts will be run again."""
        ...

    def dropped(self, texts: int) -> None:
        """So many texts left the queue without being run, since nobody waits for them."""
        ...

    def missed(self, texts: int) -> None:
        """So many texts left the queue without being run, since their deadline passed or would."""
        ...


class NoSchedulerObserver:
    """An observer that is not interested."""

    def waiting(self, texts: int, tokens: int) -> None:
        """Ignores it."""

    def refused(self, reason: str, texts: int) -> None:
        """Ignores it."""

    def admitted(self, *, cached: int, joined: int, queued: int) -> None:
        """Ignores it."""

    def started(self, texts: int, tokens: int, padded_tokens: int) -> None:
        """Ignores it."""

    def retried(self, texts: int, *, lost: bool) -> None:
        """Ignores it."""

    def dropped(self, texts: int) -> None:
        """Ignores it."""

    def missed(self, texts: int) -> None:
        """Ignores it."""
