"""Row 21 of docs/reliability.md with trained networks: `make test-slow`."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest

from model import artifact
from model.tokenizer import Tokenizer
from tests.end_to_end.conftest import Tell
from tests.end_to_end.load import clients
from tests.end_to_end.test_lost_workers import children_of, samples, wait_for
from tests.end_to_end.test_new_versions import outcomes, version
from tests.processes import RunningService, running_service, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

WORKERS = 2


@pytest.fixture
def service(trained: Path, tmp_path: Path) -> Iterator[RunningService]:
    """Serves the trained network as version 1, and looks for others."""
    root = tmp_path / "artifacts"
    shutil.copytree(trained / "artifacts" / "1", root / "1")
    settings = {"workers": str(WORKERS), "artifact": str(root), "version_poll_s": "0.5"}
    with running_service(tmp_path / "log", "-m", "service", **settings) as running:
        wait_until(running, "/readyz", 200, 300)
        yield running


def half_copied(directory: Path) -> str:
    shutil.rmtree(directory / artifact.SAVED_MODEL / "variables")
    return "files of the manifest are missing"


def wrong_hash(directory: Path) -> str:
    with (directory / artifact.SAVED_MODEL / "saved_model.pb").open("ab") as file:
        file.write(b"\0")
    return "files differ from their sha256"


def wrong_vocabulary(directory: Path) -> str:
    texts = ["other words altogether, and no others"] * 9
    manifest = artifact.read_manifest(directory)
    Tokenizer.train(texts, texts, manifest.styles, 300).save(directory / artifact.TOKENIZER)
    reseal(directory)
    return "isn't the one that the graph was exported with"


def failing_golden_text(directory: Path) -> str:
    first, *others = artifact.read_golden(directory)
    wrong = (np.array(first.log_probs) - 0.1).tolist()
    artifact.write_golden(directory, [replace(first, log_probs=wrong), *others])
    reseal(directory)
    return "golden example 0: log_probs is out of tolerance"


def good(_: Path) -> str:
    return ""


def reseal(directory: Path) -> None:
    manifest = artifact.read_manifest(directory, verify=False)
    digests, model = artifact.file_digests(directory), artifact.model_digest(directory)
    artifact.write_manifest(directory, replace(manifest, files=digests, model_sha256=model))


def publish(root: Path, number: int, change: Callable[[Path], str]) -> str:
    """A changed copy of version 1; returns why it will be refused."""
    beside = shutil.copytree(root / "1", root / f".{number}")
    reason = change(beside)
    if not reason:
        manifest = artifact.read_manifest(beside)
        artifact.write_manifest(beside, replace(manifest, version=str(number)))
    beside.rename(root / str(number))
    return reason


def memory_of(pids: list[int]) -> int:
    """Bytes that processes hold for themselves, what they share left out."""

    def own(pid: int) -> int:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            return 0
        found = [line.split()[1] for line in lines if line.startswith("RssAnon:")]
        return 1024 * int(found[0]) if found else 0

    return sum(map(own, pids))


def test_row_21_four_bad_networks_and_a_good_one_under_load(
    service: RunningService, tmp_path: Path, tell: Tell
) -> None:
    root, workers = tmp_path / "artifacts", children_of(service.pid)
    before, peak, most = memory_of(workers), 0, 0

    def look(condition: Callable[[], bool]) -> bool:
        nonlocal peak, most
        pids = children_of(service.pid)
        peak, most = max(peak, memory_of(pids)), max(most, len(pids))
        return condition()

    bad = [half_copied, wrong_hash, wrong_vocabulary, failing_golden_text]
    with clients(service.url, 4) as load:
        reasons = []
        for refused, change in enumerate(bad, 1):
            reasons.append(publish(root, 1 + refused, change))
            wait_for(lambda refused=refused: look(lambda: outcomes(service) == (1, refused)), 300)
        assert most == WORKERS + 1
        assert version(service) == "1"
        assert children_of(service.pid) == workers

        publish(root, 9, good)
        wait_for(lambda: look(lambda: version(service) == "9"), 300)
        asked = len(load.answers)
        wait_for(lambda: look(lambda: len(load.answers) > asked + 50))
    assert load.failed == []
    assert {answer.version for answer in load.answers} == {"1", "9"}
    assert all(answer.version == answer.header for answer in load.answers)
    assert outcomes(service) == (2, len(bad))
    assert most <= 2 * WORKERS
    log = service.log.read_text(encoding="utf-8")
    assert all(reason in log for reason in reasons)
    wait_for(lambda: len(children_of(service.pid)) == WORKERS)
    tell(
        f"row 21: {len(load.answers)} requests, 0 failed, p99 {1000 * load.quantile(0.99):.0f} ms; "
        f"own memory of the workers: {before >> 20} MiB, {peak >> 20} MiB at the highest"
    )


def test_row_21_a_lost_worker_is_replaced_by_one_of_its_own_version(
    trained: Path, tmp_path: Path
) -> None:
    root = tmp_path / "artifacts"
    shutil.copytree(trained / "artifacts" / "1", root / "1")
    with running_service(tmp_path / "log", "-m", "service", artifact=str(root)) as service:
        wait_until(service, "/readyz", 200, 300)
        publish(root, 2, good)
        os.kill(children_of(service.pid)[0], signal.SIGKILL)
        wait_for(lambda: samples(service, "summarizer_worker_events_total")["restarted"] == 1, 300)
        answer = httpx.post(f"{service.url}/predict", json={"inputs": "the city council"})
        assert answer.json()["model"]["version"] == "1"
        assert service.log.read_text(encoding="utf-8").count("/artifacts/2") == 0
