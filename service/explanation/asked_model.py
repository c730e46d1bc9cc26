"""The model, asked from a thread: methods are plain NumPy, the scheduler lives on an event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import numpy as np
from anyio import CapacityLimiter, to_thread

from model.explanation.scorer import Floats, Ids, Mask, Scores
from service.explanation.tasks import Saliency, Scoring, SelfAttention
from service.inference.batches import padded_length
from service.predictor import Answer, Predictor, Task

BACKGROUND_TOKENS = 512
"""Padded source tokens in one call in the background. Where there is a single worker, `/predict`
waits for that: a quarter of a search, about. Smaller calls cost more a row."""

Result = TypeVar("Result")


class AskedModel:
    """One style of a model, for one thread; a `Scorer` among others.

    Made in the event loop. Its methods are called in the thread, and block it.

    Args:
        predictor: Asked for everything.
        style: Of the summaries.
        deadline: On the monotonic clock, in seconds; none: as long as it takes.
        background: Ask in small parts, and only when a worker is idle.
    """

    def __init__(
        self, predictor: Predictor, style: str, deadline: float | None, *, background: bool
    ) -> None:
        self._predictor = predictor
        self._style = style
        self._deadline = deadline
        self._background = background
        self._loop = asyncio.get_running_loop()
        self._pending: Future[Any] | None = None
        self._is_closed = False

    def score(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Scores:
        """As `Scorer`."""
        size = max(1, len(keep))
        if self._background:
            padded = padded_length(len(source_ids), self._predictor.info.max_source_tokens)
            size = max(1, BACKGROUND_TOKENS // padded)
        parts = [
            self._ask(
                Scoring(
                    source_ids=source_ids,
                    keep=keep[first : first + size],
                    summary_ids=summary_ids,
                    style=self._style,
                )
            )
            for first in range(0, len(keep), size)
        ]
        return Scores(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def saliency(self, source_ids: Ids, summary_ids: Ids, target: Floats) -> Floats:
        """The gradient norm (S,) of each source token, for the target (T,) of the summary."""
        return self._ask(
            Saliency(
                source_ids=source_ids, summary_ids=summary_ids, target=target, style=self._style
            )
        )

    def self_attention(self, source_ids: Ids, layer: int, head: int) -> Floats:
        """Where a head of the encoder looks (S, S)."""
        return self._ask(SelfAttention(source_ids=source_ids, layer=layer, head=head))

    def close(self) -> None:
        """Nobody waits any more: whatever is asked fails from now on, and the thread ends."""
        self._is_closed = True
        if self._pending is not None:
            self._pending.cancel()

    def _ask(self, task: Task[Answer]) -> Answer:
        left = None if self._deadline is None else self._deadline - time.monotonic()
        work = self._predictor.compute(task, left, background=self._background)
        pending = asyncio.run_coroutine_threadsafe(work, self._loop)
        self._pending = pending
        if self._is_closed:
            pending.cancel()
        return pending.result()


async def in_thread(
    model: AskedModel, work: Callable[[AskedModel], Result], limiter: CapacityLimiter
) -> Result:
    """What `work` returns, run in a thread that ends soon after nobody waits for it."""
    try:
        return await to_thread.run_sync(work, model, abandon_on_cancel=True, limiter=limiter)
    finally:
        model.close()
