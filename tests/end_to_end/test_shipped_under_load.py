"""Rows 16, 17, 19 and 23 of docs/reliability.md over the shipped model: `make test-slow`.

Texts are as long as real ones, and made of this project's own sentences.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from bench.texts import composed_texts
from tests.end_to_end.conftest import Tell
from tests.end_to_end.test_lost_workers import children_of, samples, wait_for
from tests.processes import ROOT, RunningService, running_process, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

WORKERS = 2
LEAVERS, LEAVE_S = 40, 0.25
TEXTS = 500
TOLERANCE = {"float32": 1e-4, "bfloat16": 2e-2}  # of attention, docs/contract.md
SAME = {"float32": 1.0, "bfloat16": 0.99}  # share of summaries, there too
SLOW = {"num_beams": 8, "min_new_tokens": 48, "max_new_tokens": 64, "key_sentences": 0}
"""What takes longest, in a single call of the model for each batch."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    settings = {
        "workers": str(WORKERS),
        "cache_bytes": "0",
        "artifact": str(ROOT / "artifacts/summarizer"),
    }
    with running_process(tmp_path / "log", "-m", "service", **settings) as running:
        wait_until(running, "/readyz", 200, 600)
        yield running


def calls(service: RunningService) -> tuple[float, float]:
    """Calls of the model so far, and texts in them."""
    name = "summarizer_batch_texts"
    count, texts = samples(service, f"{name}_count"), samples(service, f"{name}_sum")
    return count["summarize"], texts["summarize"]


Asked = tuple[int, float, dict[str, Any]]
"""Status, seconds and body of an answer."""


async def ask(
    client: httpx.AsyncClient, text: str, fields: dict[str, Any], headers: dict[str, str]
) -> Asked:
    began = time.perf_counter()
    body = {"inputs": text, **fields}
    answer = await client.post("/predict", json=body, headers=headers)
    return answer.status_code, time.perf_counter() - began, answer.json()


async def ask_all(
    url: str, texts: Sequence[str], at_once: int, fields: dict[str, Any]
) -> list[dict[str, Any]]:
    """The only prediction of each text, by so many clients."""
    turn = asyncio.Semaphore(at_once)
    limits = httpx.Limits(max_connections=at_once)
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits) as client:

        async def one(text: str) -> dict[str, Any]:
            async with turn:
                status, _, body = await ask(client, text, fields, {})
            assert status == 200, body
            prediction: dict[str, Any] = body["predictions"][0]
            return prediction

        return await asyncio.gather(*map(one, texts))


# 16 Clients that leave


def test_row_16_forty_clients_leave_and_no_further_batch_begins(
    service: RunningService, tell: Tell
) -> None:
    # As long as the model reads, so that not even the first is answered before its client leaves.
    texts = [(3 * text)[:6000] for text in composed_texts(LEAVERS, seed=16)]

    async def leave(client: httpx.AsyncClient, text: str) -> bool:
        try:
            await client.post("/predict", json={"inputs": text, **SLOW})
        except httpx.ReadTimeout:
            return True
        return False

    async def all_leave() -> list[bool]:
        timeout = httpx.Timeout(60, read=LEAVE_S)
        limits = httpx.Limits(max_connections=LEAVERS)
        async with httpx.AsyncClient(
            base_url=service.url, timeout=timeout, limits=limits
        ) as client:
            return await asyncio.gather(*(leave(client, text) for text in texts))

    left = sum(asyncio.run(all_leave()))
    assert left >= LEAVERS - WORKERS  # a machine may be fast
    at_leaving, _ = calls(service)
    wait_for(lambda: samples(service, "summarizer_queue_texts")[""] == 0)
    answer = httpx.post(f"{service.url}/predict", json={"inputs": texts[0]}, timeout=120)
    assert answer.status_code == 200
    wait_for(lambda: samples(service, "summarizer_requests_in_progress")[""] == 1)

    def all_over() -> bool:
        _, run = calls(service)
        events = samples(service, "summarizer_texts_total")
        return events["queued"] == run + events["dropped"]

    wait_for(all_over, 120)
    further = calls(service)[0] - at_leaving - 1 - WORKERS  # without ours, and those under way
    events = samples(service, "summarizer_texts_total")
    tell(
        f"row 16: {left} of {LEAVERS} clients left; {events['dropped']:.0f} texts were dropped; "
        f"further batches: {max(0, further):.0f}, beyond the {WORKERS} under way"
    )
    assert events["queued"] == LEAVERS + 1
    assert events["dropped"] > 0
    assert further <= 1


# 17 Twice as much as can be done


def test_row_17_at_twice_the_capacity_what_is_taken_is_done(
    service: RunningService, tell: Tell
) -> None:
    patience_s, seconds, texts = 6, 20, composed_texts(250, seed=17)
    began = time.perf_counter()
    asyncio.run(ask_all(service.url, texts[:60], 16, {}))
    capacity = 60 / (time.perf_counter() - began)
    headers = {"X-Request-Timeout-Ms": str(1000 * patience_s)}

    async def twice_as_much() -> list[Asked]:
        timeout_s, tasks = 2 * patience_s, []
        async with (
            httpx.AsyncClient(base_url=service.url, timeout=timeout_s) as client,
            asyncio.TaskGroup() as group,
        ):
            for number in range(int(2 * capacity * seconds)):
                text = f"{number}. {texts[number % len(texts)]}"
                tasks.append(group.create_task(ask(client, text, {}, headers)))
                await asyncio.sleep(1 / (2 * capacity))
        return [task.result() for task in tasks]

    seen = asyncio.run(twice_as_much())
    statuses = Counter(status for status, _, _ in seen)
    assert statuses.keys() == {200, 429}
    refused = sorted(s for status, s, body in seen if body.get("error_type") != "deadline-passed"
                     and status == 429)  # fmt: skip
    missed = sum(body.get("error_type") == "deadline-passed" for _, _, body in seen)
    assert all(body["retry_after_ms"] >= 0 for status, _, body in seen if status == 429)
    tell(
        f"row 17: capacity {capacity:.1f}/s; at twice that {statuses[200]} answered, "
        f"{len(refused)} refused at once (p50 {1000 * refused[len(refused) // 2]:.1f} ms, p99 "
        f"{1000 * refused[int(0.99 * len(refused))]:.1f} ms at the client), {missed} taken and "
        "late"
    )


# 19 A stop under load


def test_row_19_a_stop_under_load_answers_all_that_was_taken(
    service: RunningService, tell: Tell
) -> None:
    workers = children_of(service.pid)
    texts = composed_texts(16, seed=19)

    async def stop_meanwhile() -> list[Asked]:
        async with httpx.AsyncClient(base_url=service.url, timeout=120) as client:
            tasks = [asyncio.create_task(ask(client, text, {}, {})) for text in texts]
            while not await asyncio.to_thread(
                lambda: samples(service, "summarizer_texts_total")["queued"] == len(texts)
            ):
                await asyncio.sleep(0.02)
            service.process.send_signal(signal.SIGTERM)
            return await asyncio.gather(*tasks)

    began = time.perf_counter()
    answers = asyncio.run(stop_meanwhile())
    assert service.process.wait(timeout=60) == 0
    tell(f"row 19: {len(texts)} texts taken, all answered, ended {time.perf_counter() - began:.1f} "
         "s after they came")  # fmt: skip
    assert {status for status, _, _ in answers} == {200}
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


# 23 Neighbours


def test_row_23_five_hundred_texts_get_the_same_alone_and_in_batches(
    service: RunningService, tell: Tell
) -> None:
    texts = [text[:1600] for text in composed_texts(TEXTS, seed=23)]
    fields = {"attention": "matrix", "key_sentences": 0}
    alone = asyncio.run(ask_all(service.url, texts, WORKERS, fields))
    made, read = calls(service)
    assert made == read == TEXTS  # each had a call of its own
    together = asyncio.run(ask_all(service.url, texts, 32, fields))
    made = calls(service)[0] - made
    assert made < 0.8 * TEXTS
    other = [
        (ours["summary"], theirs["summary"])
        for ours, theirs in zip(together, alone, strict=True)
        if ours["summary"] != theirs["summary"]
    ]
    farthest = max(
        float(np.abs(np.subtract(*(one["attention"]["weights"] for one in pair))).max())
        for pair in zip(together, alone, strict=True)
        if pair[0]["summary"] == pair[1]["summary"]
    )
    precision = httpx.get(f"{service.url}/info").json()["model"]["precision"]
    tell(
        f"row 23: {TEXTS} texts in {made:.0f} calls in {precision}; {len(other)} other summaries; "
        f"attention differs by {farthest:.1e} at the most"
    )
    assert len(other) <= (1 - SAME[precision]) * TEXTS, other
    assert farthest <= TOLERANCE[precision]
    assert samples(service, "summarizer_traces_total")[""] == 0
