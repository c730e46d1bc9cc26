"""A real Chromium, and the service that it looks at; run by scripts/test-browser."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

from model.artifact import file_digests, latest_version, read_manifest, write_manifest
from tests.browser.answers import summarize

ROOT = Path(__file__).parents[2]

OTHER_NAME = "summarizer.example"
"""A name that leads to the service too: some scripts behave otherwise on 127.0.0.1."""

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No other host has an address.
    f"--host-resolver-rules=MAP {OTHER_NAME} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


@contextmanager
def _service(log: Path, *arguments: str, **settings: str) -> Iterator[int]:
    """The port on which a service of one worker listens, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "SUMMARIZER_PORT": str(port),
        "SUMMARIZER_WORKERS": "1",
        **settings,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=environment, stdout=output
        )
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{port}/readyz")
        yield port
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


@pytest.fixture(scope="session")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where the real service listens, over a model that copies the first two tokens."""
    script = str(ROOT / "tests/end_to_end/faulty_service.py")
    with _service(tmp_path_factory.mktemp("service") / "log", script) as port:
        yield port


@pytest.fixture(scope="session")
def shipped_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where the real service listens, over the shipped model."""
    with _service(tmp_path_factory.mktemp("shipped") / "log", "-m", "service") as port:
        yield port


@pytest.fixture
def unmeasured_port(tmp_path: Path) -> Iterator[int]:
    """Where the real service listens, over the shipped model without what was measured of it.

    All methods are served there: none has failed.
    """
    artifact = tmp_path / "1"
    shutil.copytree(latest_version(ROOT / "artifacts" / "summarizer"), artifact)
    for report in artifact.glob("faithfulness.*"):
        report.unlink()
    manifest = read_manifest(artifact, verify=False)
    write_manifest(artifact, replace(manifest, files=file_digests(artifact)))
    settings = {"SUMMARIZER_ARTIFACT": str(artifact)}
    with _service(tmp_path / "log", "-m", "service", **settings) as port:
        yield port


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + 240  # the machine may be busy
    while time.monotonic() < deadline:
        assert process.poll() is None, "the service ended early"
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the service is not ready")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page and everything about it that should not be."""

    page: Page
    address: str
    requested: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._on_request)
        self.page.on("requestfailed", self._on_failed)
        self.page.on("response", self._on_response)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))

    def open(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page

    def foreign(self) -> list[str]:
        """Requests to other hosts."""
        own = (self.address, "data:", "blob:")
        return [url for url in self.requested if not url.startswith(own)]

    def _on_request(self, request: Request) -> None:
        self.requested.append(request.url)

    def _on_response(self, response: Response) -> None:
        if response.status >= 400 and not response.url.endswith("/predict"):
            self.faults.append(f"{response.status}: {response.url}")

    def _on_failed(self, request: Request) -> None:
        # The page gives up questions whose answer nobody waits for any more.
        if request.failure != "net::ERR_ABORTED" or request.method != "POST":
            self.faults.append(f"failed: {request.url} {request.failure}")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _is_an_answer(message):
            self.faults.append(f"console: {message.text} {message.location}")


def _is_an_answer(message: ConsoleMessage) -> bool:
    """Chromium reports an answer with 4xx, too; those are asked for by a test.

    And it warns of canvases that are read back often, which only tests do.
    """
    is_readback = message.text.startswith("Canvas2D: Multiple readback")
    return is_readback or message.location["url"].endswith("/predict")


def assert_clean(watched: Watched) -> None:
    """No request to another host, no failed one, nothing in the console."""
    assert watched.requested
    assert watched.foreign() == []
    assert watched.faults == []


@contextmanager
def showing(browser: Browser, port: int, text: str) -> Iterator[Watched]:
    """The page with what the shipped model, which may take its time, said of a text."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    watched = Watched(page, f"http://127.0.0.1:{port}")
    watched.open("/")
    summarize(page, text)
    yield watched
    assert_clean(watched)
    expect.set_options(timeout=5_000)
    page.close()


@pytest.fixture(params=["127.0.0.1", OTHER_NAME])
def watched(request: pytest.FixtureRequest, browser: Browser, port: int) -> Iterator[Watched]:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(30_000)
    yield Watched(page, f"http://{request.param}:{port}")
    page.close()
