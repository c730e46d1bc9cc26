"""A server as a process of its own: started on a free port, ended with all that it started."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.process_tree import birth, members, usage

ROOT = Path(__file__).parents[1]
START_SECONDS = 600
_END_SECONDS = 20
_POLL_SECONDS = 0.2
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


class NotStarted(Exception):  # noqa: N818 - says what happened, as in service.errors
    """A server ended, or wasn't ready in time; the message has the end of its log."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    pid: int

    @property
    def cpu_s(self) -> float:
        """Processor time that it and all that it started have had."""
        return usage(self.pid).cpu_s


Ready = Callable[[str], bool]
"""Whether the server at a URL can answer."""


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], ready: Ready, log: Path
) -> Iterator[Server]:
    """A server until the block ends.

    Args:
        command: `{port}` in it becomes the port, as in the next.
        environment: Beside our own, from which settings of the service are left out.
        ready: Asked until it says yes.
        log: What it prints.

    Raises:
        NotStarted: it ended, or wasn't ready in time.
    """
    port = _free_port()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SUMMARIZER_")}
    url = f"http://127.0.0.1:{port}"

    def filled(part: str) -> str:
        return part.replace("{port}", str(port))

    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - commands of our own
            [filled(part) for part in command],
            cwd=ROOT,
            env=inherited | {name: filled(value) for name, value in environment.items()},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            preexec_fn=_adopt_orphans,
            start_new_session=True,
        )
    try:
        _wait(process, lambda: ready(url), log)
        yield Server(url, process.pid)
    finally:
        _end(process)


def end_in_order() -> None:
    """Lets a SIGTERM end this process as Ctrl-C does: with all that it started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def answers(url: str) -> bool:
    """Whether a GET gets a 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server
            return bool(answer.status == 200)
    except OSError:  # an error status among them
        return False


def get(url: str) -> str:
    """The answer's text.

    Raises:
        OSError: there is none, or its status is an error's.
    """
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own server
        text: str = answer.read().decode()
    return text


def post(url: str, body: object, timeout: float = 60) -> bytes:
    """The answer's body.

    Raises:
        OSError: there is none, or its status is an error's.
    """
    data = json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - our own server
        url, data, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
        content: bytes = answer.read()
    return content


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _adopt_orphans() -> None:
    """Whatever it starts stays below it, so that its time is counted and its end is seen to."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotStarted(f"ended with status {process.returncode}: {last_line(log)}")
        if ready():
            return
        time.sleep(_POLL_SECONDS)
    raise NotStarted(f"not ready within {START_SECONDS} s: {last_line(log)}")


def last_line(log: Path) -> str:
    """Of what a server printed."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it printed nothing"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Asks it to end, and ends what is left of what it started."""
    started = {pid: birth(pid) for pid in members(process.pid)}
    process.terminate()
    deadline = time.monotonic() + _END_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        started |= {pid: birth(pid) for pid in members(process.pid)}
    for pid, born in started.items():
        # A number may by now be another's.
        if born is not None and birth(pid) == born:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    process.wait()
