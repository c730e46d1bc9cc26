"""The signals that stop the service, from the first moment of its process."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

STOPS = (signal.SIGTERM, signal.SIGINT)

_PR_SET_PDEATHSIG = 1  # prctl(2)


def end_at_once() -> None:
    """Lets a stop end the process with status 0, until the server handles it.

    Process 1 of a container ignores SIGTERM unless told otherwise, and the imports take a
    while. Nothing is open yet, and no module that is half imported gets an exception to catch.
    """
    for number in STOPS:
        signal.signal(number, lambda *_: os._exit(0))


def die_with_parent() -> None:
    """Lets Linux kill this process when the thread that started it ends, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
