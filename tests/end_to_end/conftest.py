"""A network trained by the real job in seconds, exported, and served by a real process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from model.artifact import FAITHFULNESS
from model.faithfulness.__main__ import main as study
from model.train import BUILT_IN
from model.train import main as train
from tests.processes import RunningService, running_service, wait_until

STUDIED = 3  # texts

LIMIT = 262_144
"""Bytes of a body that `faulty` takes."""
RECEIVE_S = 5
"""How long it waits for one; a busy machine needs two to read LIMIT chunks of a byte."""


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job's directory: checkpoint, tokenizer and `artifacts/1`."""
    out = tmp_path_factory.mktemp("run")
    sizes = "--hidden-dim 32 --num-layers 1 --vocab-size 700 --max-source-tokens 96"
    pace = "--steps 60 --decay-steps 20 --warmup-steps 5 --learning-rate 1e-2 --validation-steps 60"
    batches = "--tokens-per-batch 1024 --bucket-tokens 96 --window-batches 8 --golden-lead 0.01"
    arguments = f"--data builtin --out {out} --precision float32 {sizes} {pace} {batches}".split()
    assert train(arguments) == 0
    return out


@pytest.fixture(scope="session")
def measured(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifacts that the real job made, with a study of what their explanations are worth."""
    root = tmp_path_factory.mktemp("measured") / "artifacts"
    shutil.copytree(trained / "artifacts", root)
    out = root / "1" / FAITHFULNESS
    arguments = f"--data {BUILT_IN} --documents {STUDIED} --artifact {root / '1'} --out {out}"
    assert study(arguments.split()) == 0
    return root


Tell = Callable[[str], None]


@pytest.fixture
def tell(pytestconfig: pytest.Config) -> Tell:
    """Prints a figure, whatever pytest does with the output of tests."""
    reporter = pytestconfig.pluginmanager.getplugin("terminalreporter")
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    assert reporter is not None
    assert capture is not None

    def line(text: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(text)

    return line


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], str]]:
    """Starts one service an artifact, and ends all at the end of the session."""
    with ExitStack() as stack:
        urls: dict[Path, str] = {}

        def start(artifact: Path) -> str:
            if artifact not in urls:
                log = tmp_path_factory.mktemp("service") / "log"
                running = running_service(log, "-m", "service", artifact=str(artifact))
                service = stack.enter_context(running)
                wait_until(service, "/readyz", 200)
                urls[artifact] = service.url
            return urls[artifact]

        yield start


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The service over a model that fails on demand: see faulty_service.py."""
    log = tmp_path_factory.mktemp("faulty") / "log"
    script = str(Path(__file__).with_name("faulty_service.py"))
    bounds = {"max_body_bytes": str(LIMIT), "receive_timeout_s": str(RECEIVE_S)}
    with running_service(log, script, log_level="debug", **bounds) as service:
        wait_until(service, "/readyz", 200)
        yield service


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Callable[[Path], RunningService]]:
    """Starts the service on an artifact that it will refuse."""
    with ExitStack() as stack:

        def start(artifact: Path) -> RunningService:
            log = tmp_path / "log"
            running = running_service(log, "-m", "service", artifact=str(artifact))
            service = stack.enter_context(running)
            wait_until(service, "/livez", 200)
            return service

        yield start
