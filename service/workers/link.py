"""A worker, seen from the service: its process, and the socket over which it is asked.

Belongs to the event loop, which must run in a thread that lives as long as the process does: Linux
kills the children of a thread that ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from service.errors import WorkerLost
from service.stop_signals import STOPS
from service.workers.messages import Failure, Frame, encode
from service.workers.process import ANY_CORE

_POLL_S = 0.005
_SEND_BUFFER = 2**20
"""Bytes wanted, of which the system grants what it will: a reply in one piece wakes us once."""

_EXIT_S = 0.5
"""What a process has to end once its socket is closed, before it is killed."""


class WorkerLink:
    """One process, from its start to its end; it is asked one thing at a time.

    Args:
        environment: Variables that differ from those of this process.
        core: The processor that it is pinned to; none if left out.

    Raises:
        OSError: no process can be started.
    """

    def __init__(self, environment: Mapping[str, str], core: int = ANY_CORE) -> None:
        self._socket, theirs = socket.socketpair()
        for end in (self._socket, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._socket.setblocking(False)  # noqa: FBT003 - positional only
        with theirs:
            try:
                self._process = _start(theirs.fileno(), core, environment)
            except BaseException:
                self._socket.close()
                raise
        self._loop = asyncio.get_running_loop()
        self._reply: asyncio.Future[Frame | None] | None = None
        self._is_open = True
        self._patience: tuple[asyncio.Timeout, float] | None = None
        self._hung_after_s: float | None = None
        self._life = self._loop.create_task(self._live())

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def is_open(self) -> bool:
        """Whether it can be asked."""
        return self._is_open

    @property
    def hung(self) -> bool:
        """Whether it was killed since it didn't answer in time."""
        return self._hung_after_s is not None

    async def ask(self, message: Any, timeout_s: float | None) -> Any:
        """The answer to a message. A worker that isn't waited for is killed.

        Args:
            message: Anything that can be pickled.
            timeout_s: Without an answer or a sign of life; None: as long as it takes.

        Raises:
            WorkerLost: the process ended, or gave no sign in time and was killed.
            Exception: what the worker raised; it can be asked again.
        """
        parts = encode(message)
        self._reply = self._loop.create_future()
        try:
            frame = await self._exchange(parts, self._reply, timeout_s)
        except asyncio.CancelledError:
            self.kill()  # its answer would be taken for that to the next message
            raise
        finally:
            self._reply = None
        if frame is None:
            raise WorkerLost
        answer = frame.message()
        if isinstance(answer, Failure):
            raise answer.exception()
        return answer

    def close(self) -> None:
        """Lets the process end, whatever it does."""
        self._is_open = False
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def kill(self) -> None:
        """Ends the process now."""
        self._is_open = False
        self._process.kill()

    async def ended(self) -> str:
        """How the process ended, once it has."""
        await asyncio.shield(self._life)
        if self._hung_after_s is not None:
            return f"was killed since it gave no sign for {self._hung_after_s:g} s"
        return _how_it_ended(self._process.returncode)

    async def _exchange(
        self,
        parts: list[bytes | memoryview],
        reply: asyncio.Future[Frame | None],
        timeout_s: float | None,
    ) -> Frame | None:
        """The answer, or none if there won't be one."""
        try:
            async with asyncio.timeout(timeout_s) as timeout:
                self._patience = None if timeout_s is None else (timeout, timeout_s)
                for part in parts:
                    await self._loop.sock_sendall(self._socket, part)
                return await reply
        except TimeoutError:
            self._hung_after_s = timeout_s
            self.kill()
        except OSError:
            self.kill()  # it ends already
        finally:
            self._patience = None
        return None

    def _wait_anew(self) -> None:
        if self._patience is not None:
            timeout, seconds = self._patience
            if not timeout.expired():  # else it is too late
                timeout.reschedule(self._loop.time() + seconds)

    async def _live(self) -> None:
        """Hands answers on until the process has ended and is no zombie."""
        try:
            await self._read()
            self._is_open = False
            if self._reply is not None and not self._reply.done():
                self._reply.set_result(None)
            await self._reap()
        finally:
            self._is_open = False
            if self._process.poll() is None:  # the event loop ends
                self._process.kill()
                self._process.wait()
            self._socket.close()

    async def _read(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                frame = await self._receive()
                if self._reply is None or self._reply.done():
                    return  # given up: what follows would be taken for another answer
                if frame.is_sign_of_life:
                    self._wait_anew()
                else:
                    self._reply.set_result(frame)

    async def _receive(self) -> Frame:
        frame = Frame()
        for part in frame.parts():
            filled = 0
            while filled < len(part):
                count = await self._loop.sock_recv_into(self._socket, part[filled:])
                if not count:
                    raise EOFError
                filled += count
        return frame

    async def _reap(self) -> None:
        deadline = self._loop.time() + _EXIT_S
        while self._process.poll() is None:
            if self._loop.time() > deadline:
                self._process.kill()
            await asyncio.sleep(_POLL_S)


def _start(descriptor: int, core: int, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A fresh interpreter that finds the modules that this one does; never a fork.

    Standard output and error are those of this process, for its logs.
    """
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    with _blocked_stops():
        return subprocess.Popen(  # noqa: S603 - our own module, and numbers
            [sys.executable, "-m", "service.workers.process", str(descriptor), str(core)],
            env={**os.environ, "PYTHONPATH": path, **environment},
            stdin=subprocess.DEVNULL,
            pass_fds=[descriptor],
        )


@contextmanager
def _blocked_stops() -> Iterator[None]:
    """A process started meanwhile doesn't hear a stop before it can ignore it.

    One sent to this process is not lost: it comes at the end.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _how_it_ended(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal
        return f"was ended by signal {-status}"
