"""`python -m service` as a process: its exit status, its messages, its signals."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from model.artifact import ArtifactError
from service.__main__ import serve
from service.documentation.settings_page import settings_page
from service.predictor import DeviceUnavailable
from service.settings import Settings
from service.stop_signals import STOPS

ROOT = Path(__file__).parents[2]
LISTENING = re.compile(r"running on (http://\S+)")

NEVER_LOADED = """
import asyncio, sys
from service.__main__ import serve
from service.settings import Settings
sys.exit(serve(Settings(), lambda _: asyncio.sleep(600)))
"""

NEVER_IMPORTED = """
import time
print("importing", flush=True)
time.sleep(600)
"""


@pytest.fixture
def old_handlers() -> Iterator[None]:
    """Of signals and of logs, which `serve` sets for its process."""
    before = {number: signal.getsignal(number) for number in STOPS}
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


class Service:
    """A process that serves on a free port, and what it has said so far."""

    def __init__(self, *arguments: str, **settings: str) -> None:
        environment = {f"SUMMARIZER_{name.upper()}": value for name, value in settings.items()}
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=os.environ | {"SUMMARIZER_PORT": "0"} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""

    def address(self) -> str:
        """Where it listens, as soon as it says so."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if found := LISTENING.search(line):
                return found[1]
        raise AssertionError(f"it ended without listening: {self.said}")

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        said, _ = self.process.communicate(timeout=60)
        self.said += said
        return self.process.returncode


@pytest.fixture
def services() -> Iterator[list[Service]]:
    started: list[Service] = []
    yield started
    for service in started:
        service.process.kill()
        service.process.communicate()


def failed_load(client: httpx.Client) -> str:
    """Why the load has failed, once it has."""
    deadline = time.monotonic() + 60
    while (reason := client.get("/readyz").json()["detail"]) == "the model is being loaded":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return str(reason)


def test_a_wrong_setting_ends_the_process_with_a_message(services: list[Service]) -> None:
    service = Service("-m", "service", prot="1")
    services.append(service)
    assert service.ended() == 2
    assert "SUMMARIZER_PROT; did you mean SUMMARIZER_PORT?" in service.said
    assert "Traceback" not in service.said


def test_a_value_out_of_bounds_is_named_but_not_repeated(services: list[Service]) -> None:
    service = Service("-m", "service", port="secret")
    services.append(service)
    assert service.ended() == 2
    assert "error: SUMMARIZER_PORT: " in service.said
    assert "secret" not in service.said


def test_the_settings_are_listed_on_demand(services: list[Service]) -> None:
    service = Service("-m", "service", "--settings")
    services.append(service)
    assert service.ended() == 0
    assert service.said == settings_page()


@pytest.mark.parametrize("number", STOPS)
def test_row_20_a_stop_during_the_first_imports_is_heard(
    services: list[Service],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    (tmp_path / "uvicorn.py").write_text(NEVER_IMPORTED, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    service = Service("-m", "service")
    services.append(service)
    assert service.process.stdout is not None
    assert service.process.stdout.readline() == "importing\n"
    assert service.stop(number) == 0
    assert service.said == ""


@pytest.mark.parametrize("number", STOPS)
def test_without_an_artifact_the_process_stays_up_until_a_signal(
    services: list[Service], tmp_path: Path, number: signal.Signals
) -> None:
    service = Service("-m", "service", artifact=str(tmp_path))
    services.append(service)
    with httpx.Client(base_url=service.address()) as client:
        assert client.get("/livez").status_code == 200
        assert "no artifact" in failed_load(client)
        assert client.post("/predict", json={"inputs": "text"}).status_code == 503
    assert service.stop(number) == 0


def test_who_does_not_read_the_log_does_not_stop_the_service(
    services: list[Service], tmp_path: Path
) -> None:
    service = Service("-m", "service", artifact=str(tmp_path))
    services.append(service)
    lines = 3000  # more than the pipe and the queue before it hold
    with httpx.Client(base_url=service.address(), timeout=30) as client:
        failed_load(client)  # what it logs is not to be among the lines that are lost
        for _ in range(lines):
            assert client.get("/nowhere").status_code == 404  # each is a line
        counted = client.get("/metrics").text
    found = re.search(r"^summarizer_log_lines_dropped_total (\S+)$", counted, re.MULTILINE)
    assert found
    assert 100 < float(found[1]) < lines
    assert service.stop(signal.SIGTERM) == 0
    # Not the line of the request for the metrics: there may be room for it by then.
    assert service.said.count('"status": 404') == lines - float(found[1])


def test_without_an_artifact_the_process_ends_where_the_settings_say_so(
    services: list[Service], tmp_path: Path
) -> None:
    service = Service("-m", "service", artifact=str(tmp_path), exit_on_load_failure="true")
    services.append(service)
    assert service.ended() == 1
    assert "error: no artifact" in service.said


def test_a_stop_during_a_load_does_not_wait_for_it(services: list[Service]) -> None:
    service = Service("-c", NEVER_LOADED)
    services.append(service)
    service.address()
    began = time.monotonic()
    assert service.stop(signal.SIGTERM) == 0
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("error", "exits"), [(DeviceUnavailable("no GPU"), False), (ArtifactError("changed"), True)]
)
def test_a_missing_device_ends_the_process_whatever_the_settings_say(
    old_handlers: None, capsys: pytest.CaptureFixture[str], error: Exception, exits: bool
) -> None:
    async def load(_: Settings) -> Any:
        raise error

    assert serve(Settings(port=0, exit_on_load_failure=exits), load) == 1
    assert f"error: {error}" in capsys.readouterr().err


def test_a_port_in_use_ends_the_process(old_handlers: None) -> None:
    async def load(_: Settings) -> Any:
        raise ArtifactError("absent")

    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert serve(Settings(port=taken.getsockname()[1]), load) != 0
