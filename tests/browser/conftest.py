"""A real Chromium, and the service that it looks at; run by scripts/test-browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

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
from tests.browser.answers import SHOWN, show, summarize, without_explanations
from tests.processes import ROOT, running_service, wait_until

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
    """The port on which a service listens, until the block ends."""
    with running_service(log, *arguments, **settings) as service:
        wait_until(service, "/readyz", 200, seconds=240)  # the machine may be busy
        yield service.address[1]


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
    with _service(tmp_path / "log", "-m", "service", artifact=str(artifact)) as port:
        yield port


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
def watching(
    browser: Browser, port: int, host: str = "127.0.0.1", **options: Any
) -> Iterator[Watched]:
    """A page of its own, about which nothing is wrong when the block ends."""
    page = browser.new_page(**{"viewport": {"width": 1280, "height": 1000}, **options})
    page.set_default_timeout(30_000)
    watched = Watched(page, f"http://{host}:{port}")
    yield watched
    assert_clean(watched)
    page.close()


@contextmanager
def showing(browser: Browser, port: int, text: str) -> Iterator[Watched]:
    """The page with what the shipped model, which may take its time, said of a text."""
    with watching(browser, port) as watched:
        watched.page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        watched.open("/")
        summarize(watched.page, text)
        yield watched
        expect.set_options(timeout=5_000)


@pytest.fixture(params=["127.0.0.1", OTHER_NAME])
def watched(request: pytest.FixtureRequest, browser: Browser, port: int) -> Iterator[Watched]:
    with watching(browser, port, request.param) as watched:
        yield watched


@pytest.fixture(scope="module")
def shown(browser: Browser, port: int) -> Iterator[Watched]:
    """The page with an answer of ours, from a service that explains nothing."""
    with watching(browser, port) as watched:
        without_explanations(watched.page)
        watched.open("/")
        show(watched.page, **SHOWN)
        yield watched


@pytest.fixture
def page(shown: Watched) -> Page:
    """The same page for all tests of a file, with nothing chosen."""
    page = shown.page
    page.mouse.move(5, 5)
    page.get_by_role("button", name="Clear").evaluate("button => button.click()")
    return page


def keep_picture(page: Page, name: str, *, full_page: bool = False) -> None:
    """For a person to look at, where SCREENSHOTS names a directory."""
    if directory := os.environ.get("SCREENSHOTS"):
        path = Path(directory) / f"{name}.png"
        page.screenshot(path=path, caret="initial", full_page=full_page)
