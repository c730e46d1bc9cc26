"""A server under clients: what was answered, when, and what processor time it took."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from statistics import median
from typing import Any

from bench.server import ROOT, Server
from bench.serving.pace import Speed
from bench.serving.systems import ENVIRONMENT, System

TIMEOUT_HEADER = "X-Request-Timeout-Ms"


@dataclass(frozen=True, kw_only=True)
class Load:
    """Clients that ask again and again, or requests at a rate, whatever becomes of them."""

    clients: int = 0
    rate: float = 0.0
    seconds: float = 5.0
    patience_s: float = 60.0
    limit: int = 0
    once: bool = False
    least: int = 0


def closed_loop(clients: int, seconds: float) -> Load:
    """Clients that ask again and again, until each has been answered thrice on average."""
    return Load(clients=clients, seconds=seconds, least=3 * clients)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What a load saw; NaN where nothing of the kind happened."""

    per_s: float  # answers of 200 in the window
    even_per_s: float  # the same, and the processor time, had the machine kept its first speed
    even_cpu_ms: float
    speed: float  # of the machine meanwhile, over its first
    p50_ms: float
    p99_ms: float
    cpu_ms: float  # of the server, a request answered with 200
    refusal_p50_ms: float
    refusal_p99_ms: float
    late_p99_ms: float  # of the clients themselves, in sending
    refused: float  # shares of all requests
    left: float
    broken: float

    def at(self, speed: Speed) -> Cell:
        """The same, seen while the machine had a speed."""
        return replace(
            self,
            even_per_s=self.per_s / speed.wall,
            even_cpu_ms=self.cpu_ms * speed.cpu,
            speed=speed.wall,
        )


def put_on(
    server: Server, system: System, requests: Sequence[Mapping[str, Any]], load: Load, seed: int
) -> Cell:
    """Puts a load on a server, and waits for its end."""
    before = server.cpu_s
    seen = run_clients(server, system, requests, load, seed)
    return cell_of(seen, load, server.cpu_s - before)


def run_clients(
    server: Server, system: System, requests: Sequence[Mapping[str, Any]], load: Load, seed: int = 0
) -> dict[str, Any]:
    """What the clients saw, see `client.Seen`; they run in a process of their own."""
    bodies = [system.body(request) for request in requests]
    start = seed * 37 % len(bodies)  # not with the same text in every round
    job = {
        "url": f"{server.url}/predict",
        "bodies": bodies[start:] + bodies[:start],
        "headers": {TIMEOUT_HEADER: str(int(1000 * load.patience_s))},
        "seed": seed,
        **asdict(load),
    }
    done = subprocess.run(  # noqa: S603 - our own module
        [str(ENVIRONMENT), "-m", "bench.serving.client"],
        input=json.dumps(job),
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        check=True,
    )
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def cell_of(seen: Mapping[str, Any], load: Load, cpu_s: float) -> Cell:
    """The figures of a load.

    An open loop is counted from when its queue may have filled up, so that what a server puts
    off is not counted as done. A closed loop is counted from the moment at which as many answers
    had come as there are clients, to the last answer before they stopped: of a server that
    answers many at once, neither what is half done at the end nor an empty beginning counts.
    """
    if load.rate:
        began, ended = min(load.patience_s, load.seconds / 2), load.seconds
        inside = [ms for when, ms in seen["answers"] if began <= when <= ended]
    else:
        times = sorted(when for when, _ in seen["answers"] if when <= seen["window_s"])
        began = times[load.clients - 1] if len(times) >= load.clients else math.inf
        ended = max(times, default=0.0)
        inside = [ms for when, ms in seen["answers"] if began < when <= ended]
    counts: dict[str, int] = seen["counts"]
    total = max(1, sum(counts.values()))
    refused = sum(n for name, n in counts.items() if name not in ("200", "left", "broken"))
    per_s = len(inside) / (ended - began) if inside else 0.0
    cpu_ms = 1000 * cpu_s / counts["200"] if counts.get("200") else float("nan")
    return Cell(
        per_s=per_s,
        even_per_s=per_s,
        even_cpu_ms=cpu_ms,
        speed=1.0,
        p50_ms=percentile(inside, 50),
        p99_ms=percentile(inside, 99),
        cpu_ms=cpu_ms,
        refusal_p50_ms=percentile(seen["refusals"], 50),
        refusal_p99_ms=percentile(seen["refusals"], 99),
        late_p99_ms=percentile(seen["late"], 99),
        refused=refused / total,
        left=counts.get("left", 0) / total,
        broken=counts.get("broken", 0) / total,
    )


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that so many percent of all do not exceed; NaN of none."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def median_cell(cells: Sequence[Cell]) -> Cell:
    """Each figure's median over rounds; rounds without it are left out."""
    return Cell(
        **{
            field.name: _median([getattr(cell, field.name) for cell in cells])
            for field in fields(Cell)
        }
    )


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return median(known) if known else float("nan")
