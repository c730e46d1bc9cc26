"""A predictor without a model, and the application around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from model.tokenizer import Span, word_spans
from service.app import LoadPredictor, create_app
from service.errors import TextTooLong
from service.predictor import (
    Candidate,
    KeySentence,
    ModelInfo,
    Predictor,
    SummarizeOptions,
    Summary,
    WorkerHealth,
)
from service.settings import Settings

TEXT = (
    "The city council voted on Tuesday to build a tram line from the harbour to the university. "
    "Work starts in spring and is expected to take three years."
)

INFO = ModelInfo(
    name="summarizer",
    version="7",
    sha256="ab" * 32,
    created="2026-11-22T00:00:00+00:00",
    precision="float32",
    device="cpu",
    styles=("headline", "tldr"),
    default_style="headline",
    max_source_tokens=64,
    max_summary_tokens=24,
    default_num_beams=4,
    default_length_penalty=1.0,
    default_min_new_tokens=3,
    default_max_new_tokens=16,
    low_confidence_log_prob=-2.0,
)


@dataclass
class FakePredictor:
    """Implements `Predictor`: copies the first words and attends at random, but repeatably."""

    info: ModelInfo = INFO
    error: Exception | None = None
    change: Callable[[Summary], Summary] = lambda summary: summary
    calls: list[tuple[list[str], SummarizeOptions]] = field(default_factory=list)
    timeouts: list[float | None] = field(default_factory=list)
    closed: bool = False

    @property
    def health(self) -> WorkerHealth:
        return WorkerHealth(workers=1, alive=1, restarts=0)

    async def summarize(
        self, texts: Sequence[str], options: SummarizeOptions, timeout_s: float | None = None
    ) -> list[Summary]:
        self.calls.append((list(texts), options))
        self.timeouts.append(timeout_s)
        if self.error is not None:
            raise self.error
        return [self.change(self._summary(i, text, options)) for i, text in enumerate(texts)]

    async def close(self) -> None:
        self.closed = True

    def _summary(self, index: int, text: str, options: SummarizeOptions) -> Summary:
        words = word_spans(text)
        limit = self.info.max_source_tokens
        truncated = len(words) + 1 > limit
        if truncated and options.truncation == "error":
            raise TextTooLong(index, len(words) + 1, limit)
        selects = truncated and options.truncation == "select"
        used = words[: limit - 1] if not selects else [words[0], *words[2 - limit :]]
        written = used[: options.max_new_tokens - 1][:5]
        first = written[0][0]
        summary_spans: list[Span | None] = [(a - first, b - first) for a, b in written]
        shape = (len(written) + 1, len(used) + 1)
        random = np.random.default_rng(len(text))
        return Summary(
            text=text[first : written[-1][1]],
            style=options.style,
            finish_reason="stop",
            summary_spans=[*summary_spans, None],
            source_spans=[*used, None],
            summary_ids=np.arange(shape[0]),
            source_ids=np.arange(shape[1]),
            attention=random.dirichlet(np.full(shape[1], 0.1), shape[0]).astype(np.float32),
            log_probs=-random.random(shape[0]).astype(np.float32),
            copy_gate=random.random(shape[0]).astype(np.float32),
            copied_share=random.random(shape[0]).astype(np.float32),
            generated_prob=random.random(shape[0]).astype(np.float32),
            total_source_tokens=len(words) + 1,
            used_source_tokens=shape[1],
            used_end=used[-1][1],
            truncated=truncated,
            passages=[words[0], (used[1][0], used[-1][1])] if selects else None,
            key_sentences=[KeySentence(span=span, score=0.1) for span in words][
                : options.key_sentences
            ],
            candidates=[
                Candidate(text=text[first:end], score=-float(number))
                for number, (_, end) in enumerate(reversed(written))
                for _ in range(2)
            ],
            stage_seconds={"queue": 0.001 * index, "model": 0.01},
        )


Predict = Callable[..., Awaitable[httpx.Response]]


def ready(predictor: FakePredictor) -> LoadPredictor:
    """Loads at once what is there already."""

    async def load(_: Settings) -> Predictor:
        return predictor

    return load


@pytest.fixture
def text() -> str:
    return TEXT


@pytest.fixture
def predictor() -> FakePredictor:
    return FakePredictor()


@pytest.fixture
def settings() -> Settings:
    return Settings(max_body_bytes=4096, max_input_characters=2000)


@pytest.fixture
def app(settings: Settings, predictor: FakePredictor) -> FastAPI:
    return create_app(settings, ready(predictor))


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the application once its predictor is loaded."""
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        await app.state.slot.settled.wait()
        yield client


@pytest.fixture
def predict(client: httpx.AsyncClient) -> Predict:
    """Posts the fields of a request to `/predict`; `inputs` is a good text unless given."""

    async def post(**fields: Any) -> httpx.Response:
        return await client.post("/predict", json={"inputs": TEXT, **fields})

    return post
