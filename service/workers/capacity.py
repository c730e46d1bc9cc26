"""How many worker processes this machine has processors and memory for."""

from __future__ import annotations

from pathlib import Path

from service.settings import Settings
from service.workers.processors import available_processors

WORKER_BYTES = 1_300 * 2**20
"""What a worker with the shipped model holds after a hundred thousand requests, rounded up;
docs/operations.md has it."""

FRESH_WORKER_BYTES = 500 * 2**20
"""What one holds for itself once it is loaded: the libraries are shared with those beside it."""

SERVICE_BYTES = 200 * 2**20
"""What the service's own process holds, its cache among it."""

_GPU = Path("/dev/nvidiactl")
_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")
_MEMORY = Path("/proc/meminfo")


def worker_count(settings: Settings) -> int:
    """The setting, or one a processor as far as the memory goes; one where a GPU is to be used."""
    if settings.workers:
        return settings.workers
    if settings.device == "gpu" or (settings.device == "auto" and has_gpu()):
        return 1
    # Those of a new version are loaded beside those that answer.
    each = WORKER_BYTES + (FRESH_WORKER_BYTES if settings.version_poll_s else 0)
    workers = (available_memory() - SERVICE_BYTES) // each
    return max(1, min(available_processors(), workers))


def has_gpu() -> bool:
    """Whether there is one that TensorFlow could use."""
    return _GPU.exists()


def available_memory(limit_file: Path = _MEMORY_LIMIT, memory_file: Path = _MEMORY) -> int:
    """Bytes that this process may still take, a container's limit among the bounds."""
    return min(_limit(limit_file), _free(memory_file))


def _limit(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 2**63  # no such file, or "max": nothing is set


def _free(file: Path) -> int:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return 2**63  # not Linux
    kilobytes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(kilobytes[0]) * 1024 if kilobytes else 2**63
