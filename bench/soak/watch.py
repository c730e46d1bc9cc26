"""Memory, descriptors and threads over a soak, and whether they grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.process_tree import members, usage
from model.line_chart import Panel, line_chart

_MB = 1e6
_PER = 10_000  # requests that a slope is given for
_SETTLING = 0.25
"""The share of each stretch that no slope is taken of: caches fill, allocators take theirs."""

_WORKER = b"service.workers.process"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What the service held after so many requests."""

    requests: int
    own_mb: float  # of all its processes, without the libraries that they share
    service_mb: float  # of its first process alone
    descriptors: int
    threads: int
    processes: int
    kills: int  # of workers, before this


def sample(pid: int, requests: int, kills: int) -> Sample:
    """Of the service with this process id."""
    every, first = usage(pid), usage(pid, alone=True)
    return Sample(
        requests=requests,
        own_mb=every.own_bytes / _MB,
        service_mb=first.own_bytes / _MB,
        descriptors=first.descriptors,
        threads=every.threads,
        processes=every.processes,
        kills=kills,
    )


def worker_pids(pid: int) -> list[int]:
    """The processes in which the model runs."""
    found = []
    for member in members(pid):
        try:
            if _WORKER in Path(f"/proc/{member}/cmdline").read_bytes():
                found.append(member)
        except OSError:  # it has ended
            continue
    return found


def slope(samples: Sequence[Sample], of: str) -> float:
    """MB for each 10,000 requests, by least squares; NaN of too few samples.

    A worker that was killed starts anew with less memory. So each stretch between kills has a level
    of its own, and only the slope is common to them.
    """
    across, up = 0.0, 0.0
    for stretch in _stretches(samples):
        settled = stretch[int(_SETTLING * len(stretch)) :]
        middle = sum(one.requests for one in settled) / len(settled)
        level = sum(getattr(one, of) for one in settled) / len(settled)
        for one in settled:
            across += (one.requests - middle) ** 2
            up += (one.requests - middle) * (getattr(one, of) - level)
    return _PER * up / across if across else float("nan")


def picture(samples: Sequence[Sample]) -> str:
    """As SVG."""

    def curve(name: str) -> list[tuple[float, float]]:
        return [(one.requests / 1000, getattr(one, name)) for one in samples]

    panels: list[Panel] = [
        ("memory of all processes, MB", {"all processes": curve("own_mb")}),
        ("memory of the service's own process, MB", {"service": curve("service_mb")}),
        ("file descriptors of the service", {"descriptors": curve("descriptors")}),
        ("threads and processes", {"threads": curve("threads"), "processes": curve("processes")}),
    ]
    return line_chart("What the service holds under mixed traffic", panels, "thousand requests")


def _stretches(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Between kills."""
    found: dict[int, list[Sample]] = {}
    for one in samples:
        found.setdefault(one.kills, []).append(one)
    return list(found.values())
