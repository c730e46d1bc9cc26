from __future__ import annotations

from pathlib import Path

import pytest

from service.settings import Settings
from service.workers import capacity
from service.workers.capacity import SERVICE_BYTES, WORKER_BYTES, available_memory, worker_count

MEMINFO = "MemTotal: 8000000 kB\nMemAvailable: 3000000 kB\n"


def files(directory: Path, limit: str | None, memory: str | None) -> tuple[Path, Path]:
    paths = directory / "memory.max", directory / "meminfo"
    for path, content in zip(paths, (limit, memory), strict=True):
        if content is not None:
            path.write_text(content)
    return paths


@pytest.mark.parametrize(
    ("limit", "memory", "expected"),
    [
        ("max\n", MEMINFO, 3_000_000 * 1024),
        ("1048576\n", MEMINFO, 1_048_576),
        (None, MEMINFO, 3_000_000 * 1024),
        ("max", None, 2**63),
        (None, "nothing known: 1 kB\n", 2**63),
    ],
)
def test_the_least_bound_counts(
    tmp_path: Path, limit: str | None, memory: str | None, expected: int
) -> None:
    assert available_memory(*files(tmp_path, limit, memory)) == expected


@pytest.mark.parametrize(
    ("processors", "memory", "expected"),
    [
        (4, 100 * WORKER_BYTES, 4),
        (4, SERVICE_BYTES + 3 * WORKER_BYTES - 1, 2),
        (4, 5, 1),
        (1, 2**63, 1),
    ],
)
def test_a_worker_a_processor_as_far_as_the_memory_goes(
    monkeypatch: pytest.MonkeyPatch, processors: int, memory: int, expected: int
) -> None:
    monkeypatch.setattr(capacity, "available_processors", lambda: processors)
    monkeypatch.setattr(capacity, "available_memory", lambda: memory)
    assert worker_count(Settings(device="cpu")) == expected


def test_a_gpu_gets_one_worker_and_the_setting_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(capacity, "available_processors", lambda: 8)
    monkeypatch.setattr(capacity, "available_memory", lambda: 2**63)
    assert worker_count(Settings(device="gpu")) == 1
    assert worker_count(Settings(device="gpu", workers=3)) == 3
    monkeypatch.setattr(capacity, "_GPU", tmp_path)
    assert worker_count(Settings(device="auto")) == 1
    monkeypatch.setattr(capacity, "_GPU", tmp_path / "absent")
    assert worker_count(Settings(device="auto")) == 8
