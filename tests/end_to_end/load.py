"""Clients that ask one thing after the other, beside what a test does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx


@dataclass(frozen=True)
class Answer:
    """What a client saw."""

    status: int
    seconds: float
    version: str | None  # of the body
    header: str | None  # of X-Model-Version


@dataclass
class Load:
    """All answers, in the order in which they came."""

    answers: list[Answer] = field(default_factory=list)

    @property
    def failed(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status != 200]

    def quantile(self, share: float) -> float:
        """Seconds that this share of the requests stayed under."""
        seconds = sorted(answer.seconds for answer in self.answers)
        return seconds[min(len(seconds) - 1, int(share * len(seconds)))]


@contextmanager
def clients(url: str, count: int, words: str = "the city council") -> Iterator[Load]:
    """So many clients, each with one request under way at any time, until the block ends.

    No two texts are the same, so that each is computed. A connection that breaks raises at the end.
    """
    load, stop, errors = Load(), threading.Event(), list[Exception]()

    def ask(client_number: int) -> None:
        number = 0
        try:
            with httpx.Client(base_url=url, timeout=60) as client:
                while not stop.is_set():
                    number += 1
                    text = f"{words} {client_number} {number}"
                    began = time.perf_counter()
                    answer = client.post("/predict", json={"inputs": text})
                    seconds = time.perf_counter() - began
                    version = answer.json().get("model", {}).get("version")
                    header = answer.headers.get("x-model-version")
                    load.answers.append(Answer(answer.status_code, seconds, version, header))
        except Exception as error:  # noqa: BLE001 - raised again where the test sees it
            errors.append(error)

    threads = [threading.Thread(target=ask, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
