"""Mixed traffic with faults: prints what grew, and where the counters differ from the clients'."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import aiohttp
import orjson
import uvloop

from bench.machine import describe
from bench.server import ROOT, Server, answers, end_in_order, get, running
from bench.soak.tally import Samples, Tally, rises, samples_of, unexplained
from bench.soak.traffic import Ask, Traffic
from bench.soak.watch import Sample, picture, sample, slope, worker_pids
from bench.texts import composed_texts
from service.workers.processors import available_processors

_POOL = 2000  # texts, more than the cache holds
_PATIENCE_S = 120
_SETTLE_S = 2.0
_BACK_OFF_S = 1.0


@dataclass(kw_only=True)
class Soak:
    """A service under traffic, and what was seen of it."""

    server: Server
    options: argparse.Namespace
    traffic: Traffic
    tally: Tally = field(default_factory=Tally)
    samples: list[Sample] = field(default_factory=list)
    begun: int = 0
    kills: int = 0

    async def run(self) -> tuple[Samples, Samples]:
        """All requests; the service's counters before and after them."""
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            before = await self._scrape(session)
            self.tally.requests["/metrics", "GET", "200"] += 1  # that scrape
            watching = asyncio.create_task(self._watch())
            clients = [self._client(session) for _ in range(self.options.clients)]
            await asyncio.gather(*clients)
            watching.cancel()
            await asyncio.sleep(_SETTLE_S)  # until those that left are counted
            return before, await self._scrape(session)

    async def _client(self, session: aiohttp.ClientSession) -> None:
        while self.begun < self.options.requests:
            self.begun += 1
            if self.begun % self.options.kill_every == 0 and self.kills < self.options.kills:
                self._kill()
            await self._ask(session, self.traffic())

    async def _ask(self, session: aiohttp.ClientSession, ask: Ask) -> None:
        try:
            async with asyncio.timeout(ask.leave_after_s):
                status, body = await (self._noise(ask) if ask.raw else _http(session, self, ask))
        except TimeoutError:
            self.tally.left[ask.route, ask.method] += 1
        except (aiohttp.ClientError, OSError):
            self.tally.lost += 1
        else:
            self.tally.requests[ask.route, ask.method, str(status)] += 1
            if status == 503:
                await asyncio.sleep(_BACK_OFF_S)  # as Retry-After asks
            if ask.method == "POST" and status == 200:
                self.tally.add_answer(orjson.loads(body))

    async def _noise(self, ask: Ask) -> tuple[int, bytes]:
        """Bytes that are no HTTP, on a connection of their own."""
        address = urlsplit(self.server.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(ask.body)
        answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1]), b""

    def _kill(self) -> None:
        """Ends a worker, whatever it does; none while one is already missing."""
        pids = worker_pids(self.server.pid)
        if len(pids) == self.options.workers:
            with suppress(ProcessLookupError):
                os.kill(Random(self.begun).choice(pids), signal.SIGKILL)  # noqa: S311 - no secret
                self.kills += 1

    async def _watch(self) -> None:
        """Samples evenly over the requests."""
        step = max(1, self.options.requests // self.options.samples)
        due = 0
        while True:
            if self.begun >= due:
                self.samples.append(sample(self.server.pid, self.begun, self.kills))
                due = self.begun + step
            await asyncio.sleep(0.05)

    async def _scrape(self, session: aiohttp.ClientSession) -> Samples:
        async with session.get(f"{self.server.url}/metrics") as answer:
            return samples_of(await answer.text())


async def _http(session: aiohttp.ClientSession, soak: Soak, ask: Ask) -> tuple[int, bytes]:
    url = f"{soak.server.url}{ask.path}"
    data = ask.body if ask.method == "POST" else None
    skipped = [] if ask.headers else ["content-type"]
    async with session.request(
        ask.method, url, data=data, headers=ask.headers, skip_auto_headers=skipped
    ) as answer:
        return answer.status, await answer.read()


def report(soak: Soak, before: Samples, after: Samples, seconds: float) -> list[str]:
    """Prints what was seen; what is unexplained is returned."""
    tally, samples = soak.tally, soak.samples
    statuses: dict[str, int] = {}
    for (_, _, status), count in tally.requests.items():
        statuses[status] = statuses.get(status, 0) + count
    first, last = samples[0], samples[-1]
    problems = unexplained(tally, before, after)
    events = {
        dict(labels)["kind"]: int(rise)
        for labels, rise in rises(before, after, "summarizer_worker_events_total").items()
    }
    retraces = sum(rises(before, after, "summarizer_traces_total").values())
    rows = [
        ("requests", f"{tally.total} in {seconds:.0f} s, by {soak.options.clients} clients"),
        ("answers by status", ", ".join(f"{k}: {v}" for k, v in sorted(statuses.items()))),
        ("clients that left", str(tally.left.total())),
        ("connections that broke", str(tally.lost)),
        ("workers killed", f"{soak.kills}; events: {events}"),
        ("memory, MB for each 10,000 requests", f"{slope(samples, 'own_mb'):+.2f}"),
        ("… of the service's own process", f"{slope(samples, 'service_mb'):+.2f}"),
        ("descriptors, first and last", f"{first.descriptors}, {last.descriptors}"),
        ("threads, first and last", f"{first.threads}, {last.threads}"),
        ("retraces", f"{retraces:.0f}"),
        ("counters against clients", "; ".join(problems) or "equal"),
    ]
    print("| | |\n| --- | --- |")
    for name, value in rows:
        print(f"| {name} | {value} |")
    return problems


def main() -> int:
    """Starts a service, soaks it, reports; 1 where the counters do not add up."""
    end_in_order()
    options = _options()
    print(describe(["tensorflow_cpu", "uvicorn", "aiohttp"]), flush=True)
    environment = {
        "PYTHONPATH": str(ROOT),
        "SUMMARIZER_PORT": "{port}",
        "SUMMARIZER_WORKERS": str(options.workers),
        "SUMMARIZER_ARTIFACT": str(options.artifact.absolute()),
        "SUMMARIZER_LOG_LEVEL": "warning",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    command = (str(ROOT / ".venv/bin/python"), "-m", "service")
    with tempfile.TemporaryDirectory() as directory:
        log = options.log or Path(directory, "log")
        with running(command, environment, lambda url: answers(f"{url}/readyz"), log) as server:
            explains = '"/explain"' in get(f"{server.url}/openapi.json")
            traffic = Traffic(composed_texts(_POOL), explains=explains)
            soak = Soak(server=server, options=options, traffic=traffic)
            began = time.monotonic()
            before, after = uvloop.run(soak.run())
            problems = report(soak, before, after, time.monotonic() - began)
    if options.svg:
        options.svg.write_text(picture(soak.samples))
    return int(bool(problems))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    add = parser.add_argument
    add("--artifact", type=Path, default=Path("artifacts/summarizer"))
    add("--requests", type=int, default=100_000)
    add("--clients", type=int, default=16)
    add("--workers", type=int, default=available_processors())
    add("--kills", type=int, default=10, help="of workers")
    add("--kill-every", type=int, help="requests between two of them; a fiftieth of all")
    add("--log", type=Path, help="keep there what the service prints")
    add("--samples", type=int, default=400, help="of memory, descriptors and threads")
    add("--svg", type=Path, help="write the picture here")
    options = parser.parse_args()
    options.kill_every = options.kill_every or max(1, options.requests // 50)
    return options


if __name__ == "__main__":
    raise SystemExit(main())
