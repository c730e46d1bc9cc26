"""Workers that wait for a request, and requests that wait for a worker."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from service.errors import NotReady
from service.workers.link import WorkerLink


class IdleWorkers:
    """Hands out the worker that was idle for the shortest time, whose caches are warm."""

    def __init__(self) -> None:
        self._links: list[WorkerLink] = []
        self._waiting: deque[asyncio.Future[WorkerLink]] = deque()
        self._is_closed = False

    def __len__(self) -> int:
        return sum(link.is_open for link in self._links)

    async def get(self) -> WorkerLink:
        """A worker that can be asked; who came first gets the first.

        Raises:
            NotReady: no more are handed out.
        """
        while True:
            link = await self._next()
            if link.is_open:
                return link

    def put(self, link: WorkerLink) -> None:
        """It is idle now."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(link)
                return
        self._links.append(link)

    def discard(self, link: WorkerLink) -> None:
        """It can't be asked any more."""
        if link in self._links:
            self._links.remove(link)

    def close(self) -> None:
        """Hands out no more, neither to who waits nor to who comes."""
        self._is_closed = True
        self.turn_away(_stopping)

    def turn_away(self, error: Callable[[], Exception]) -> None:
        """Lets nobody wait any longer; whoever comes may."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_exception(error())
        self._waiting.clear()

    async def _next(self) -> WorkerLink:
        if self._is_closed:
            raise _stopping()
        if self._links:
            return self._links.pop()
        waiting: asyncio.Future[WorkerLink] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                self.put(waiting.result())  # handed out and left in the same moment
            raise


def _stopping() -> NotReady:
    return NotReady("the service is stopping", retry_after_s=1)
