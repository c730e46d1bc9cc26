"""How many processors this process may really use, a container's quota among the limits."""

from __future__ import annotations

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def available_processors(quota_file: Path = _QUOTA) -> int:
    """The processors that this process may run on, cut to its control group's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(allowed or 1, _quota(quota_file)))


def _quota(file: Path) -> int:
    """Whole processors of `cpu.max` ("150000 100000" is 2), or no limit."""
    try:
        quota, period = file.read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return 2**16  # no such file, or "max": nothing is set
