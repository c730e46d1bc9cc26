"""The predictor that the routes ask: a scheduler before worker processes.

Belongs to the event loop. Knows neither HTTP nor TensorFlow.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Protocol

from service.engine import Batch, Outcome, Reply
from service.errors import DeadlinePassed, ServiceError, TextTooLong, WorkerLost
from service.inference.batches import BUCKET, usual_rows
from service.inference.reading import is_read_in_full
from service.inference.token_budget import row_width
from service.predictor import (
    Answer,
    EngineCall,
    EngineState,
    ModelInfo,
    SummarizeOptions,
    Summary,
    Task,
    TooLong,
    WorkerHealth,
)
from service.scheduler import Scheduler
from service.scheduling.batch_choice import BatchRule, Work
from service.scheduling.observer import SchedulerObserver
from service.scheduling.result_cache import ResultCache
from service.settings import Settings
from service.workers.capacity import worker_count
from service.workers.pool import WorkerPool
from service.workers.slot import WorkerEvent

CHARACTERS_PER_TOKEN = 4.5
"""Of English prose, about; the scheduler needs to know lengths before anybody has tokenized."""

Payload = tuple[str, SummarizeOptions] | Task[Any]

_LATE = "the time for this request was over before its answer was there"


class EngineObserver(SchedulerObserver, Protocol):
    """Told of all that a scheduler tells, of calls, and of workers."""

    def called(self, call: EngineCall) -> None:
        """The model was called."""
        ...

    def engine_state(self, state: EngineState) -> None:
        """A worker has answered."""
        ...

    def worker_event(self, event: WorkerEvent) -> None:
        """A worker was lost, or replaced."""
        ...


class ScheduledPredictor:
    """Implements `Predictor`. Made by `load`."""

    def __init__(
        self, info: ModelInfo, pool: WorkerPool, settings: Settings, observer: EngineObserver
    ) -> None:
        self._info, self._pool = info, pool
        self._observer = observer
        self._grace_s = settings.shutdown_grace_s
        self._scheduler: Scheduler[Payload, Any] = Scheduler(
            self._run,
            workers=lambda: pool.takes,
            rule=BatchRule(
                max_tokens=settings.max_batch_tokens,
                padded_length=_padded,
                usual_works=usual_rows,
            ),
            max_queued_texts=settings.max_queued_texts,
            lost=(WorkerLost,),
            is_telling=lambda outcome: not isinstance(outcome, TooLong),  # no call of the model
            cache=ResultCache(settings.cache_bytes, _size_of),
            observer=observer,
        )
        pool.subscribe(lambda _: self._scheduler.wake())

    @classmethod
    async def load(
        cls, target: str, settings: Settings, observer: EngineObserver
    ) -> ScheduledPredictor:
        """Starts the workers, and returns once all are ready.

        Args:
            target: What they load with the settings; see `workers.pool`.
            settings: Every knob.
            observer: Told of everything.

        Raises:
            Exception: what the target raised, or WorkerLost.
        """
        threads = str(settings.num_threads)
        pool = WorkerPool(
            target,
            settings,
            count=worker_count(settings),
            hang_timeout_s=settings.worker_timeout_s,
            load_timeout_s=settings.load_timeout_s,
            environment={
                "TF_NUM_INTRAOP_THREADS": threads,
                "TF_NUM_INTEROP_THREADS": "1",
                "OMP_NUM_THREADS": threads,
            },
            on_event=observer.worker_event,
        )
        info = await pool.start(one_first=settings.version_poll_s > 0)
        return cls(info, pool, settings, observer)

    @property
    def info(self) -> ModelInfo:
        """What is loaded."""
        return self._info

    @property
    def health(self) -> WorkerHealth:
        """Who can answer now."""
        pool = self._pool.health
        return WorkerHealth(
            workers=pool.workers,
            alive=pool.alive,
            restarts=pool.restarts,
            unable_s=pool.unable_s,
            last_loss=pool.last_loss,
            pids=tuple(self._pool.pids),
        )

    async def summarize(
        self, texts: Sequence[str], options: SummarizeOptions, timeout_s: float | None = None
    ) -> list[Summary]:
        """One summary a text; see `Predictor`."""
        began = time.monotonic()  # uvloop's own clock has whole milliseconds
        deadline = None if timeout_s is None else began + timeout_s
        works = [self._work(text, options) for text in texts]
        async with self._in_time(timeout_s):
            outcomes: list[Outcome] = await self._scheduler.submit(works, deadline)
        elapsed = time.monotonic() - began
        return _timed([_summary(i, outcome) for i, outcome in enumerate(outcomes)], elapsed)

    async def compute(
        self, task: Task[Answer], timeout_s: float | None = None, *, background: bool = False
    ) -> Answer:
        """The answer to a task; see `Predictor`."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        tokens = min(task.tokens, self._info.max_source_tokens)
        work: Work[Payload] = Work(
            payload=task,
            key=task,
            tokens=tokens,
            width=task.rows * row_width(),
            group=task,
            background=background,
        )
        async with self._in_time(timeout_s):
            if background:
                await self._scheduler.spare()
            (outcome,) = await self._scheduler.submit([work], deadline)
        if isinstance(outcome, TooLong):
            raise TextTooLong(0, outcome.tokens, outcome.limit)
        answer: Answer = outcome
        return answer

    async def close(self) -> None:
        """Finishes the work accepted, then ends the workers."""
        self._scheduler.drain()
        with suppress(TimeoutError):  # who still waits is told so once the pool is closed
            await asyncio.wait_for(self._scheduler.close(), self._grace_s)
        await self._pool.close(grace_s=0)
        self._scheduler.wake()

    @asynccontextmanager
    async def _in_time(self, timeout_s: float | None) -> AsyncIterator[None]:
        """The scheduler has no timers: while every worker hangs, it would not look at deadlines."""
        try:
            async with asyncio.timeout(timeout_s):
                yield
        except TimeoutError:
            wait_s = self._scheduler.predicted_wait_s()
            raise DeadlinePassed(_LATE, retry_after_s=wait_s) from None

    def _work(self, text: str, options: SummarizeOptions) -> Work[Payload]:
        limit = self._info.max_source_tokens
        tokens = 1 + math.ceil(len(text) / CHARACTERS_PER_TOKEN)
        if tokens > limit and not is_read_in_full(options):
            tokens = limit
        # What is over the limit is read in chunks, without a search.
        width = row_width(options.num_beams if tokens <= limit else 1)
        key = (text, options)
        return Work(payload=key, key=key, tokens=tokens, width=width, group=options)

    async def _run(self, payloads: Sequence[Payload]) -> Sequence[Any | Exception]:
        asked: Task[Any] | Batch
        if isinstance(payloads[0], Task):  # like no other, hence alone
            asked = payloads[0]
        else:
            texts = [payload[0] for payload in payloads if isinstance(payload, tuple)]
            asked = Batch(texts=texts, options=payloads[0][1])
        reply: Reply = await self._pool.run(asked)
        for call in reply.calls:
            self._observer.called(call)
        self._observer.engine_state(reply.state)
        return reply.outcomes


def _padded(tokens: int) -> int:
    return -(-tokens // BUCKET) * BUCKET


def _summary(index: int, outcome: Outcome) -> Summary:
    if isinstance(outcome, TooLong):
        raise TextTooLong(index, outcome.tokens, outcome.limit)
    if isinstance(outcome, ServiceError):
        raise outcome
    return outcome


def _timed(summaries: Sequence[Summary], elapsed: float) -> list[Summary]:
    """The summaries with the stages of the slowest; what was not spent on them was waiting."""
    spent = [summary.stage_seconds for summary in summaries]
    # More than has elapsed: it was there already, or under way, and cost this request nothing.
    own = [s if sum(s.values()) <= elapsed else dict.fromkeys(s, 0.0) for s in spent]
    slowest = max(own, key=lambda stages: sum(stages.values()), default={})
    stages = {"queue": elapsed - sum(slowest.values()), **slowest}
    return [replace(summary, stage_seconds=stages) for summary in summaries]


def _size_of(key: Hashable, outcome: Any) -> int:
    """Bytes, about: those of the arrays and of the text, and of a tuple for each token.

    The answer to a task is more than any cache holds: nobody asks for it again.
    """
    if isinstance(key, Task):
        return sys.maxsize
    text = sys.getsizeof(key[0] if isinstance(key, tuple) else "")
    if not isinstance(outcome, Summary):
        return text
    tokens = len(outcome.source_spans) + len(outcome.summary_spans)
    return text + outcome.attention.nbytes + 160 * tokens + 4096
