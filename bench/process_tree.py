"""A process with all that it started: processor time, memory, descriptors, threads. Linux only."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
# Fields of /proc/PID/stat behind the name, proc(5).
_PPID, _TIMES, _THREADS, _BIRTH, _RSS = 1, slice(11, 15), 17, 19, 21


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a tree holds now, and the processor time that it has had."""

    cpu_s: float  # of those that have ended as well, once they were waited for
    rss_bytes: int  # what processes share counts for each
    own_bytes: int  # without what is backed by files, such as libraries
    descriptors: int
    threads: int
    processes: int


def usage(root: int, *, alone: bool = False) -> Usage:
    """Of a process and its descendants, or without them; one that ends meanwhile is left out."""
    cpu, rss, own, descriptors, threads, processes = 0.0, 0, 0, 0, 0, 0
    for pid in [root] if alone else members(root):
        with suppress(OSError):
            fields = _stat(pid)
            statm = [int(word) for word in Path(f"/proc/{pid}/statm").read_text().split()]
            descriptors += len(list(Path(f"/proc/{pid}/fd").iterdir()))
            cpu += sum(map(int, fields[_TIMES])) / _TICKS
            rss += int(fields[_RSS]) * _PAGE
            own += (statm[1] - statm[2]) * _PAGE
            threads += int(fields[_THREADS])
            processes += 1
    return Usage(
        cpu_s=cpu,
        rss_bytes=rss,
        own_bytes=own,
        descriptors=descriptors,
        threads=threads,
        processes=processes,
    )


def members(root: int) -> list[int]:
    """A process and its descendants, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            children.setdefault(int(_stat(int(entry.name))[_PPID]), []).append(int(entry.name))
    found = [root]
    for pid in found:  # grows meanwhile
        found += children.get(pid, [])
    return found


def birth(pid: int) -> int | None:
    """When a process began, in ticks since the machine did; None if there is none."""
    with suppress(OSError):
        return int(_stat(pid)[_BIRTH])
    return None


def _stat(pid: int) -> list[str]:
    """The fields behind the name, which may itself hold blanks and brackets."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
