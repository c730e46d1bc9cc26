"""How whatever runs in a worker says that it gets on, in the middle of a long request.

Who says nothing for too long is taken to hang. Outside of a worker process nobody listens.
"""

from __future__ import annotations

from collections.abc import Callable

_listeners: list[Callable[[], None]] = []


def listen(listener: Callable[[], None]) -> None:
    """Lets it be called at each sign: once in a process, at its start."""
    _listeners[:] = [listener]


def get_on() -> None:
    """Gives a sign."""
    for listener in _listeners:
        listener()
