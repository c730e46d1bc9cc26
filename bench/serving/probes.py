"""What is asked of one server beside its throughput: added time, work for nobody, padding."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from bench.server import NotStarted, Server, get, post
from bench.serving.measures import Load, percentile, run_clients
from bench.serving.raw import RawEngines
from bench.serving.systems import System

LEAVERS, LEAVE_S = 40, 0.25
_QUIET_CPU_S, _QUIET_S, _MOST_S = 0.05, 0.5, 60
_BATCHES = 'summarizer_batch_texts_count{signature="summarize"}'
"""Searches: the sentences of a long text are scored in calls of the same batch."""
_TOLERANCE = 2e-4  # of numbers: the bound of docs/contract.md between batches, twice
SLOW = {"num_beams": 8, "min_new_tokens": 48, "max_new_tokens": 64}
"""Options of a request that takes long, so that those who leave have work left behind."""


@dataclass(frozen=True, kw_only=True)
class Added:
    """Milliseconds of a request by itself over the engine's own, in percentiles over texts."""

    p50_ms: float
    p99_ms: float
    told_p50_ms: float  # over what Server-Timing says that model and tokenizer took
    told_p99_ms: float


@dataclass(frozen=True, kw_only=True)
class LeftBehind:
    """What a server did for clients that had gone."""

    cpu_s: float
    batches: float | None  # beyond those under way; None where nobody counts


def added_latency(server: Server, raw: RawEngines, texts: Sequence[str], repeats: int) -> Added:
    """One client, and the engine itself, in turn; the median of the repeats for each text."""
    differences, told = [], []
    host = urlsplit(server.url)
    connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=60)
    for text in texts:
        alone, served, rest = [], [], []
        for _ in range(repeats):
            alone.append(raw.one_ms(text))
            total, engine = _timed(connection, text)
            served.append(total)
            rest.append(total - engine)
        differences.append(median(served) - median(alone))
        told.append(median(rest))
    return Added(
        p50_ms=percentile(differences, 50),
        p99_ms=percentile(differences, 99),
        told_p50_ms=percentile(told, 50),
        told_p99_ms=percentile(told, 99),
    )


def left_behind(server: Server, system: System, texts: Sequence[str], workers: int) -> LeftBehind:
    """What is done after 40 clients have left, a quarter of a second after they came."""
    longest = sorted(texts, key=len)[-LEAVERS:]
    requests = [{"inputs": text, **SLOW} for text in longest]
    load = Load(clients=LEAVERS, patience_s=LEAVE_S, once=True)
    counted = not system.package
    run_clients(server, system, requests, load)
    cpu_s, batches = server.cpu_s, metric(server, _BATCHES) if counted else 0
    until_quiet(server)
    after = metric(server, _BATCHES) if counted else 0
    return LeftBehind(
        cpu_s=server.cpu_s - cpu_s,
        batches=max(0.0, after - batches - workers) if counted else None,
    )


def padded_share(
    server: Server, system: System, texts: Sequence[str], clients: int, tokens: int
) -> float:
    """The share of padding in what the model read of all texts, asked for once each.

    Args:
        server: One that counts padding.
        system: The same.
        texts: What to ask for.
        clients: At once.
        tokens: Real ones that the model reads of them.
    """
    before = metric(server, "summarizer_padding_tokens_total")
    load = Load(clients=clients, seconds=_MOST_S * 10, limit=len(texts))
    run_clients(server, system, [{"inputs": text} for text in texts], load)
    padding = metric(server, "summarizer_padding_tokens_total") - before
    return padding / (padding + tokens)


def metric(server: Server, name: str) -> float:
    """A metric, added up over its labels unless they are named."""
    page = get(f"{server.url}/metrics")
    found = re.findall(rf"^{re.escape(name)}(?:{{.*}})? (\S+)$", page, re.MULTILINE)
    assert found, f"no metric {name}"
    return sum(map(float, found))


def answers_of(
    server: Server, system: System, requests: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What matters of the answers, one request after the other.

    Raises:
        OSError: there is no answer.
        NotStarted: one has another form.
    """
    bodies = [
        system.answer(post(f"{server.url}/predict", json.loads(system.body(request))))
        for request in requests
    ]
    try:
        return [{key: body[key] for key in ("predictions", "usage")} for body in bodies]
    except (KeyError, TypeError):
        raise NotStarted("its answers have another form") from None


def difference(ours: Any, theirs: Any, place: str = "") -> str | None:
    """Where two answers differ by more than rounding; None where nowhere."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        if ours.keys() != theirs.keys():
            return f"{place}: other keys"
        found = (difference(ours[key], theirs[key], f"{place}.{key}") for key in ours)
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            return f"{place}: other length"
        pairs = enumerate(zip(ours, theirs, strict=True))
        found = (difference(a, b, f"{place}[{i}]") for i, (a, b) in pairs)
    elif isinstance(ours, float) or isinstance(theirs, float):
        return None if abs(ours - theirs) <= _TOLERANCE else f"{place}: {ours} and {theirs}"
    else:
        return None if ours == theirs else f"{place}: other value"
    return next((one for one in found if one), None)


def _timed(connection: http.client.HTTPConnection, text: str) -> tuple[float, float]:
    """Milliseconds of a request, and what of them the service says the engine took."""
    body = json.dumps({"inputs": text})
    began = time.perf_counter()
    connection.request("POST", "/predict", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    total = 1000 * (time.perf_counter() - began)
    assert answer.status == 200, answer.status
    stages = server_timing(answer.headers["server-timing"])
    return total, stages["tokenize"] + stages["model"]


def server_timing(header: str) -> dict[str, float]:
    """Milliseconds by stage."""
    parts = (part.strip().partition(";dur=") for part in header.split(","))
    return {name: float(milliseconds) for name, _, milliseconds in parts}


def until_quiet(server: Server) -> None:
    """Returns once it has done next to nothing for half a second."""
    deadline = time.monotonic() + _MOST_S
    before = server.cpu_s
    while time.monotonic() < deadline:
        time.sleep(_QUIET_S)
        now = server.cpu_s
        if now - before < _QUIET_CPU_S:
            return
        before = now
