"""A predictor whose evidence is planted, and the application over it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import numpy as np
import pytest

from model.explanation.planted import PlantedCopier
from model.explanation.scorer import Ids, Mask, Scorer, Scores
from model.tokenizer import EOS_ID, Span, word_spans
from service.explanation.tasks import OwnSummary, Saliency, Scoring, SelfAttention
from service.predictor import ModelInfo, SummarizeOptions, Summary, Task, WorkerHealth
from service.settings import Settings

INFO = ModelInfo(
    name="planted", version="3", sha256="cd" * 32, created="", precision="float32", device="cpu",
    styles=("headline", "tldr"), default_style="headline", max_source_tokens=64,
    max_summary_tokens=24, default_num_beams=4, default_length_penalty=1.0,
    default_min_new_tokens=3, default_max_new_tokens=16, low_confidence_log_prob=None,
    num_layers=2, num_heads=4, signatures=("saliency", "self_attention"),
)  # fmt: skip

WRITTEN = 3
"""Words of a summary that is searched: every third of the text, from the second."""


@dataclass
class PlantedPredictor:
    """Implements `Predictor`: each word is a token, and copied from its first place in the text."""

    info: ModelInfo = INFO
    scorer: Scorer = field(default_factory=PlantedCopier)
    asked: list[tuple[Task[Any], bool]] = field(default_factory=list)
    searched: list[SummarizeOptions] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None
    _ids: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.open.set()

    @property
    def health(self) -> WorkerHealth:
        return WorkerHealth(workers=1, alive=1, restarts=0)

    async def summarize(
        self, texts: Sequence[str], options: SummarizeOptions, timeout_s: float | None = None
    ) -> list[Summary]:
        self.searched.append(options)
        found = []
        for text in texts:
            words = [text[slice(*span)] for span in word_spans(text)]
            written = " ".join(words[1 : 1 + 3 * WRITTEN : 3])
            found.append(self.summary(text, written, options.style))
        return found

    async def compute(
        self, task: Task[Any], timeout_s: float | None = None, *, background: bool = False
    ) -> Any:
        self.asked.append((task, background))
        if background:
            await self.open.wait()
        if self.error is not None:
            raise self.error
        if isinstance(task, OwnSummary):
            return self.summary(task.text, task.summary, task.options.style)
        if isinstance(task, Scoring):
            return self.scorer.score(task.source_ids, task.keep, task.summary_ids)
        if isinstance(task, Saliency):
            same = task.summary_ids[:, None] == task.source_ids[None, :]
            return (task.target[:, None] * same).sum(axis=0)
        assert isinstance(task, SelfAttention)
        size = len(task.source_ids)
        shift = 1 + task.layer * 4 + task.head
        return 0.9 * np.roll(np.eye(size), shift, axis=1) + 0.1 / size

    async def close(self) -> None:
        pass

    def summary(self, text: str, written: str, style: str) -> Summary:
        source, source_ids = self._read(text)
        spans, summary_ids = self._read(written)
        found = self._scores(source_ids, summary_ids)
        return Summary(
            text=written, style=style, finish_reason="stop", summary_spans=[*spans, None],
            source_spans=[*source, None], summary_ids=summary_ids, source_ids=source_ids,
            attention=found.attention_weights[0], log_probs=found.log_probs[0],
            copy_gate=found.copy_gate[0], generated_prob=found.generated_prob[0],
            copied_share=found.copied_prob[0] / np.exp(found.log_probs[0]),
            total_source_tokens=len(source_ids), used_source_tokens=len(source_ids),
            used_end=source[-1][1], truncated=False,
        )  # fmt: skip

    def _scores(self, source_ids: Ids, summary_ids: Ids) -> Scores:
        whole: Mask = np.ones((1, len(source_ids)), np.bool_)
        return self.scorer.score(source_ids, whole, summary_ids)

    def _read(self, text: str) -> tuple[list[Span], Ids]:
        spans = word_spans(text)
        ids = [self._ids.setdefault(text[slice(*s)], 10 + len(self._ids)) for s in spans]
        return spans, np.array([*ids, EOS_ID], np.int32)


Explain = Callable[..., Awaitable[httpx.Response]]

TEXT = (
    "Harbour keepers count forty boats. A storm is near Grünau 😀 tonight! "
    "Nobody sails before Friday. They mend nets and sing."
)
"""Of words that all differ, and in four sentences."""


@pytest.fixture
def text() -> str:
    return TEXT


@pytest.fixture
def predictor() -> PlantedPredictor:
    return PlantedPredictor()


@pytest.fixture
def settings() -> Settings:
    return Settings(max_explanations=2)


@pytest.fixture
def explain(client: httpx.AsyncClient) -> Explain:
    """Posts the fields of a request to `/explain`; `inputs` is a good text unless given."""

    async def post(**fields: Any) -> httpx.Response:
        return await client.post("/explain", json={"inputs": TEXT, **fields})

    return post


@pytest.fixture
def offered_by() -> Callable[..., ModelInfo]:
    """The model's description, changed."""

    def change(**fields: Any) -> ModelInfo:
        return replace(INFO, **fields)

    return change
