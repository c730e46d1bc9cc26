"""A network trained by the real job in seconds, exported, and served by a real process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from model.train import main as train

START_SECONDS = 90


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job's directory: checkpoint, tokenizer and `artifacts/1`."""
    out = tmp_path_factory.mktemp("run")
    sizes = "--hidden-dim 32 --num-layers 1 --vocab-size 700 --max-source-tokens 96"
    pace = "--steps 60 --decay-steps 20 --warmup-steps 5 --learning-rate 1e-2 --validation-steps 60"
    batches = "--tokens-per-batch 1024 --window-batches 8 --golden-lead 0.01"
    arguments = f"--data builtin --out {out} --precision float32 {sizes} {pace} {batches}".split()
    assert train(arguments) == 0
    return out


@contextmanager
def running_service(artifact: Path) -> Iterator[str]:
    """`python -m service` on a free port, until the block ends; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SUMMARIZER_")}
    environment |= {"SUMMARIZER_PORT": str(port), "SUMMARIZER_ARTIFACT": str(artifact)}
    process = subprocess.Popen([sys.executable, "-m", "service"], env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(process, url)
        yield url
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the service ended before it was ready"
        try:
            if httpx.get(f"{url}/readyz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not ready within {START_SECONDS} s")


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """Starts one service an artifact, and ends all at the end of the session."""
    with ExitStack() as stack:
        urls: dict[Path, str] = {}

        def start(artifact: Path) -> str:
            if artifact not in urls:
                urls[artifact] = stack.enter_context(running_service(artifact))
            return urls[artifact]

        yield start
