"""What the workers of test_pool.py load: light, and able to fail in every way.

Only who raises an error of ours imports it: a worker starts a hundred times in those tests.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Handle = Callable[[tuple[str, Any]], Any]


class UnpicklableError(Exception):
    """Holds what can't leave its process."""

    def __init__(self, secret: str) -> None:
        super().__init__(secret, threading.Lock())


def load(arguments: dict[str, Any]) -> tuple[dict[str, Any], Handle]:
    """A worker that does as it is told; `arguments` may hold more targets' needs than its own."""
    if directory := arguments.get("pids"):
        (Path(directory) / str(os.getpid())).touch()
    if flag := arguments.get("die_if"):
        die_if(Path(flag))
    return {"pid": os.getpid(), "given": arguments}, handle


def die_if(flag: Path) -> None:
    """Ends the process as if it were killed while it loads, where a file says so."""
    if flag.exists():
        with flag.open("a", encoding="utf-8") as file:
            file.write(".")
        os._exit(9)


def load_nothing(arguments: str) -> tuple[None, Handle]:
    from model.artifact import ArtifactError
    from service.predictor import DeviceUnavailable

    raise {"artifact": ArtifactError, "device": DeviceUnavailable}[arguments]("what is wrong")


def load_forever(directory: str) -> tuple[None, Handle]:
    (Path(directory) / str(os.getpid())).touch()
    time.sleep(600)
    raise AssertionError


def handle(request: tuple[str, Any]) -> Any:
    action, value = request
    return ACTIONS[action](value)


def fail(name: str) -> None:
    from service.errors import OutOfMemory, TextTooLong

    errors: dict[str, Exception] = {
        "value": ValueError("mine"),
        "too long": TextTooLong(3, 9, 8, "inputs[3]"),
        "memory": OutOfMemory(),
        "unpicklable": UnpicklableError("secret"),
    }
    raise errors[name]


def foreign_error(directory: str) -> None:
    """An error of a module that only this process knows."""
    (Path(directory) / "only_in_the_worker.py").write_text("class Mine(Exception): pass\n")
    sys.path.append(directory)
    import only_in_the_worker

    raise only_in_the_worker.Mine("secret")


def rendezvous(party: tuple[str, int]) -> int:
    """Returns once so many are here at the same time, each in a process of its own."""
    directory, guests = Path(party[0]), party[1]
    (directory / str(os.getpid())).touch()
    while len(list(directory.iterdir())) < guests:
        time.sleep(0.005)
    return os.getpid()


def segfault(_: Any) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def blocked_signals(_: Any) -> tuple[set[int], list[Any]]:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    return {int(n) for n in blocked}, [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]


def get_on_slowly(times: int) -> int:
    from service.workers.sign_of_life import get_on

    for _ in range(times):
        time.sleep(0.3)
        get_on()
    return times


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


ACTIONS: dict[str, Callable[[Any], Any]] = {
    "echo": lambda value: value,
    "pid": lambda _: os.getpid(),
    "sleep": lambda seconds: time.sleep(seconds),
    "exit": lambda status: os._exit(status),
    "segfault": segfault,
    "fail": fail,
    "fail abroad": foreign_error,
    "double": lambda array: array * 2,
    "lambda": lambda _: lambda: None,
    "rendezvous": rendezvous,
    "environment": lambda name: os.environ.get(name),
    "cores": lambda _: os.sched_getaffinity(0),
    "signals": blocked_signals,
    "say": say,
    "get on": get_on_slowly,
    "descriptors": lambda _: len(list(Path("/proc/self/fd").iterdir())),
}
