"""How many clients may be connected, and who gives way when all places are taken.

Knows nothing of HTTP. Belongs to the event loop.
"""

from __future__ import annotations

import logging
import resource
from collections import OrderedDict
from typing import Protocol

log = logging.getLogger(__name__)

RESERVED_DESCRIPTORS = 128
"""For what is no client: workers, files that are served, the log, what a worker needs to start."""


class Connection(Protocol):
    """A client, as far as its place is concerned."""

    def give_way(self) -> None:
        """Ends at once."""
        ...


class ConnectionLimit:
    """So many places. A newcomer takes that of the client that has been waited for longest.

    Clients that send nothing, or a byte now and then, are thus the first to go, and those whose
    request has arrived never go: a newcomer is turned away where there are no others.

    Args:
        places: At most so many connections.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._entered: set[Connection] = set()
        self._waited_for: OrderedDict[Connection, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entered)

    def enter(self, connection: Connection) -> bool:
        """Whether there is a place for it, be it that another gave way; it is waited for now."""
        if len(self._entered) >= self._places:
            if not self._waited_for:
                return False
            oldest = next(iter(self._waited_for))
            self.leave(oldest)
            oldest.give_way()
        self._entered.add(connection)
        self.waits(connection)
        return True

    def leave(self, connection: Connection) -> None:
        """Its place is free."""
        self._entered.discard(connection)
        self._waited_for.pop(connection, None)

    def waits(self, connection: Connection) -> None:
        """From now on the client is waited for: to send, or to take its answer."""
        if connection in self._entered:
            self._waited_for[connection] = None
            self._waited_for.move_to_end(connection)

    def works(self, connection: Connection) -> None:
        """From now on it is the client that waits."""
        self._waited_for.pop(connection, None)


def available_places(wanted: int) -> int:
    """As many as wanted, as far as the limit of descriptors goes, which is raised if it can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED_DESCRIPTORS
    if soft < needed:
        soft = min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    places = max(1, min(wanted, soft - RESERVED_DESCRIPTORS))
    if places < wanted:
        log.warning("%d descriptors leave room for %d connections", soft, places)
    return places
