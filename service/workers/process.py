"""`python -m service.workers.process SOCKET CORE`: a worker, seen from inside its process.

Reads the name of a function and its arguments, calls it, and then answers one request after the
other. Started by `link` alone; ends when its parent does, however that happens.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading

from service.stop_signals import STOPS, die_with_parent

if __name__ == "__main__":
    # The parent ends its workers, when their work is done. It started this process with the
    # signals blocked, so that none ends it before this line.
    for _number in STOPS:
        signal.signal(_number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)

import importlib
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from service.workers.messages import SIGN_OF_LIFE, Failure, Frame, encode
from service.workers.sign_of_life import listen

ANY_CORE = -1

NICENESS = 5
"""By which a worker yields to the service's own process, which needs little and soon: with all
processors at work, a request that is refused is answered in two thirds of the time."""

Handle = Callable[[Any], Any]


def main(descriptor: int, core: int) -> None:
    """Serves until the socket is closed, then ends the process."""
    connection = socket.socket(fileno=descriptor)
    connection.set_inheritable(False)
    os.nice(NICENESS)
    _end_with_parent(connection)
    if core != ANY_CORE:
        os.sched_setaffinity(0, {core})
    with suppress(EOFError, OSError):  # the parent has closed its end
        _serve(connection)
    logging.shutdown()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)  # not through the ends of threads that a library has left


def _end_with_parent(connection: socket.socket) -> None:
    """Twice: a thread sees the socket close, and Linux kills what a busy thread keeps alive.

    Linux counts the thread that started this process as the parent: there, it is the event loop's.
    """
    threading.Thread(target=_watch, args=[connection.fileno()], name="watch", daemon=True).start()
    die_with_parent()


def _watch(descriptor: int) -> None:
    closed = select.poll()
    closed.register(descriptor, 0)  # 0: only that the other end is gone, not that it speaks
    closed.poll()
    os._exit(0)


def _serve(connection: socket.socket) -> None:
    """One request after the other.

    Raises:
        EOFError, OSError: the parent has closed its end.
    """
    handle = _load(connection)
    listen(lambda: connection.sendall(SIGN_OF_LIFE))
    while handle is not None:
        _send(connection, _answer(handle, _receive(connection)))


def _load(connection: socket.socket) -> Handle | None:
    """What answers requests; none if it can't be loaded."""
    frame = _receive(connection)
    try:
        target, arguments = frame.message()
        module, _, function = target.partition(":")
        info, handle = getattr(importlib.import_module(module), function)(arguments)
        parts = encode(info)
    except Exception as error:  # noqa: BLE001 - it is raised again in the parent
        _send(connection, encode(Failure.of(error)))
        return None
    _send(connection, parts)
    loaded: Handle = handle
    return loaded


def _answer(handle: Handle, frame: Frame) -> list[bytes | memoryview]:
    try:
        return encode(handle(frame.message()))
    except Exception as error:  # noqa: BLE001 - it is raised again in the parent
        return encode(Failure.of(error))


def _receive(connection: socket.socket) -> Frame:
    frame = Frame()
    for part in frame.parts():
        filled = 0
        while filled < len(part):
            count = connection.recv_into(part[filled:])
            if not count:
                raise EOFError
            filled += count
    return frame


def _send(connection: socket.socket, parts: list[bytes | memoryview]) -> None:
    for part in parts:
        connection.sendall(part)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
