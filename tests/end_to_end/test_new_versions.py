"""Row 21 of docs/reliability.md: versions that come while the service runs, good and bad ones.

Here over a model without TensorFlow, whose artifacts are real but for their graph; the same with
trained networks is in test_new_networks.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from model import artifact
from model.artifact import Manifest
from tests.end_to_end.load import clients
from tests.end_to_end.test_lost_workers import SCRIPT, children_of, samples, wait_for
from tests.processes import RunningService, running_service, wait_until

WORKERS = 2


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """Serves version 1, and looks for others."""
    publish(tmp_path / "artifacts", 1)
    settings = {"workers": str(WORKERS), "artifact": str(tmp_path / "artifacts")}
    with running_service(tmp_path / "log", SCRIPT, version_poll_s="0.2", **settings) as running:
        wait_until(running, "/readyz", 200)
        yield running


def publish(root: Path, number: int) -> Path:
    """Puts a version there as the export does: beside, and then renamed."""
    beside, directory = root / f".{number}", root / str(number)
    (beside / artifact.SAVED_MODEL).mkdir(parents=True)
    (beside / artifact.SAVED_MODEL / "saved_model.pb").write_bytes(b"graph %d" % number)
    (beside / artifact.TOKENIZER).write_text("{}")
    artifact.write_golden(beside, [])
    manifest = Manifest(
        name="summarizer", version=str(number), model_sha256=artifact.model_digest(beside),
        styles=("headline", "tldr"), default_style="headline", max_source_tokens=64,
        max_summary_tokens=24, default_num_beams=4, default_length_penalty=1.0,
        default_min_new_tokens=1, default_max_new_tokens=16, precision="float32", config={},
        training={}, low_confidence_log_prob=None, files=artifact.file_digests(beside),
        created="2026-11-22T00:00:00+00:00",
    )  # fmt: skip
    artifact.write_manifest(beside, manifest)
    beside.rename(directory)
    return directory


def outcomes(service: RunningService) -> tuple[float, float]:
    """Versions that were served and that were refused."""
    counted = samples(service, "summarizer_version_loads_total")
    return counted["served"], counted["refused"]


def version(service: RunningService) -> str:
    found: str = httpx.get(f"{service.url}/info").json()["model"]["version"]
    return found


def test_row_21_a_bad_version_changes_nothing_and_a_good_one_takes_over_under_load(
    service: RunningService, tmp_path: Path
) -> None:
    root, workers = tmp_path / "artifacts", children_of(service.pid)
    with clients(service.url, 4) as load:
        shutil.copytree(root / "1", root / "2", ignore=shutil.ignore_patterns("manifest.json"))
        wrong = shutil.copytree(root / "1", tmp_path / "wrong") / artifact.SAVED_MODEL
        (wrong / "saved_model.pb").write_bytes(b"other")
        (tmp_path / "wrong").rename(root / "3")
        wait_for(lambda: outcomes(service) == (1, 1))
        looked = len(load.answers)
        wait_for(lambda: len(load.answers) > looked + 50)  # several looks later
        assert outcomes(service) == (1, 1)
        assert children_of(service.pid) == workers
        assert version(service) == "1"

        publish(root, 4)
        wait_for(lambda: version(service) == "4")
        looked = len(load.answers)
        wait_for(lambda: len(load.answers) > looked + 20)
    assert load.failed == []
    assert {answer.version for answer in load.answers} == {"1", "4"}
    assert all(answer.version == answer.header for answer in load.answers)
    assert outcomes(service) == (2, 1)
    wait_for(lambda: len(children_of(service.pid)) == WORKERS)
    assert not set(workers) & set(children_of(service.pid))
    log = service.log.read_text(encoding="utf-8")
    assert log.count("version 3 is refused: files differ from their sha256") == 1
    assert httpx.get(f"{service.url}/readyz").json()["model"]["version"] == "4"


def test_row_21_what_one_version_wrote_is_not_given_out_for_another(
    service: RunningService, tmp_path: Path
) -> None:
    def ask() -> str:
        answer = httpx.post(f"{service.url}/predict", json={"inputs": "the same text"})
        found: str = answer.json()["model"]["version"]
        return found

    assert [ask(), ask()] == ["1", "1"]
    assert samples(service, "summarizer_texts_total")["cached"] == 1
    publish(tmp_path / "artifacts", 2)
    wait_for(lambda: ask() == "2")
    queued = samples(service, "summarizer_texts_total")["queued"]
    assert queued == 2  # once by each version
