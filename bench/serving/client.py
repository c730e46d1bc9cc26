"""Clients, in a process of their own: reads a job as JSON, prints what they saw as JSON.

`python -m bench.serving.client`. It reads no JSON of answers: what is measured is the server.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import aiohttp
import uvloop

LEFT = "left"
BROKEN = "broken"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to ask: `clients` that ask again and again, or `rate` requests a second."""

    url: str
    bodies: list[str]
    headers: dict[str, str]
    seconds: float
    patience_s: float
    clients: int = 0
    rate: float = 0.0
    seed: int = 0
    limit: int = 0  # requests of all clients together; 0: as many as the time allows
    once: bool = False  # each client asks once
    least: int = 0  # answers, whatever came of them, before clients that ask again may stop


@dataclass(kw_only=True)
class Seen:
    """What came of each request, and how long that took."""

    counts: Counter[str] = field(default_factory=Counter)  # by status, LEFT or BROKEN
    answers: list[tuple[float, float]] = field(default_factory=list)  # 200: (when, ms)
    refusals: list[float] = field(default_factory=list)  # 4xx and 5xx: ms
    late: list[float] = field(default_factory=list)  # ms from when it was due to when it was sent
    window_s: float = 0.0  # until clients that ask again stopped
    seconds: float = 0.0  # until the last was over
    cpu_s: float = 0.0  # of the clients


async def run(job: Job) -> Seen:
    """Does the job."""
    seen, bodies = Seen(), itertools.islice(itertools.cycle(job.bodies), job.limit or None)
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"content-type": "application/json", **job.headers}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        began = time.perf_counter()
        if job.rate:
            await _open_loop(job, session, bodies, seen, began)
        else:
            clients = [_client(job, session, bodies, seen, began) for _ in range(job.clients)]
            await asyncio.gather(*clients)
        seen.seconds = time.perf_counter() - began
    seen.cpu_s = time.process_time()
    return seen


async def _client(
    job: Job, session: aiohttp.ClientSession, bodies: Iterator[str], seen: Seen, began: float
) -> None:
    for body in bodies:  # which all clients share
        await _ask(job, session, body, seen, began, time.perf_counter())
        passed = time.perf_counter() - began
        if job.once or (passed >= job.seconds and seen.counts.total() >= job.least):
            seen.window_s = seen.window_s or passed
            return


async def _open_loop(
    job: Job, session: aiohttp.ClientSession, bodies: Iterator[str], seen: Seen, began: float
) -> None:
    """Requests at random moments, whatever becomes of those before them (Poisson)."""
    draw = random.Random(job.seed)  # noqa: S311 - no secret
    due = began
    async with asyncio.TaskGroup() as group:
        while (due := due + draw.expovariate(job.rate)) < began + job.seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(_ask(job, session, next(bodies), seen, began, due))


async def _ask(
    job: Job,
    session: aiohttp.ClientSession,
    body: str,
    seen: Seen,
    began: float,
    due: float,
) -> None:
    """One request, counted from the moment at which it was due."""
    seen.late.append(1000 * (time.perf_counter() - due))
    try:
        async with asyncio.timeout(job.patience_s - (time.perf_counter() - due)):
            async with session.post(job.url, data=body.encode()) as answer:
                await answer.read()
    except TimeoutError:
        seen.counts[LEFT] += 1
        return
    except aiohttp.ClientError:
        seen.counts[BROKEN] += 1
        await asyncio.sleep(0.01)  # a server that is down is not to be hammered
        return
    now = time.perf_counter()
    seen.counts[str(answer.status)] += 1
    if answer.status == 200:
        seen.answers.append((now - began, 1000 * (now - due)))
    else:
        seen.refusals.append(1000 * (now - due))


if __name__ == "__main__":
    print(json.dumps(vars(uvloop.run(run(Job(**json.load(sys.stdin)))))), flush=True)
    os._exit(0)  # who reads this may want to look at the server at once
