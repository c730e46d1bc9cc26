"""The service as a process of its own, as tests start it and end it."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
START_SECONDS = 300
"""Loading the model takes half a minute of a processor; a busy machine gives it a fifth of one."""

TLS = ssl.create_default_context()
"""`verify=` of httpx: making one of its own takes it a twentieth of a second, TLS or not."""


@dataclass(frozen=True)
class RunningService:
    """A process that serves, where it listens, and the file that holds its log."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        """For a socket."""
        url = httpx.URL(self.url)
        return url.host, url.port or 80

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.process.pid


@contextmanager
def running_service(log: Path, *arguments: str, **settings: str) -> Iterator[RunningService]:
    """Python on a free port until the block ends; it must end well."""
    with running_process(log, *arguments, **settings) as service:
        yield service
        service.process.terminate()
        assert service.process.wait(timeout=30) == 0


@contextmanager
def running_process(log: Path, *arguments: str, **settings: str) -> Iterator[RunningService]:
    """Python on a free port, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SUMMARIZER_")}
    environment |= {"PYTHONPATH": str(ROOT), "SUMMARIZER_PORT": str(port)}
    environment["SUMMARIZER_WORKERS"] = "1"  # each takes seconds of a processor to start
    environment |= {f"SUMMARIZER_{name.upper()}": value for name, value in settings.items()}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=environment, stdout=file
        )
    try:
        yield RunningService(f"http://127.0.0.1:{port}", process, log)
    finally:
        process.kill()
        process.wait()


def wait_until(
    service: RunningService, path: str, status: int, seconds: float = START_SECONDS
) -> httpx.Response:
    """The answer of `path` as soon as it has the status."""
    deadline = time.monotonic() + seconds
    # One client: each makes a context for TLS, which takes processor time from what is waited for.
    with httpx.Client(base_url=service.url, headers={"connection": "close"}) as client:
        while time.monotonic() < deadline:
            assert service.process.poll() is None, "the service ended early"
            try:
                answer = client.get(path)
                if answer.status_code == status:
                    return answer
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    raise AssertionError(f"{path} not {status} within {seconds} s")
