"""What a figure was measured on: processor, system, versions, and who else was busy."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from service.workers.processors import available_processors

_GIB = 2**30


def describe(packages: Sequence[str] = ()) -> str:
    """A few lines for the head of a report; packages that aren't installed are said to be so."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
    load = os.getloadavg()[0]
    lines = [
        f"machine: {_processor()}, {available_processors()} of {os.cpu_count()} cores, "
        f"{memory:.0f} GiB, {platform.system()} {platform.release()}",
        f"load average before the start: {load:.2f}{_warning(load)}",
        f"commit: {_commit()}; Python {platform.python_version()}",
    ]
    if packages:
        lines.append("versions: " + ", ".join(f"{name} {version(name)}" for name in packages))
    return "\n".join(lines)


def version(package: str) -> str:
    """Of an installed package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    facts = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    name, flags = facts.get("model name", platform.machine()), facts.get("flags", "").split()
    wide = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    family = f"family {facts.get('cpu family', '?')} model {facts.get('model', '?')}"
    return f"{name} ({family}; {' '.join(wide)})"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _warning(load: float) -> str:
    busy = " — OTHERS ARE BUSY: these figures are no measurement"
    return busy if load > 0.5 else ""
