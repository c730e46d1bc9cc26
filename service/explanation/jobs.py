"""Slow explanations: begun, asked for, given up. Knows neither HTTP nor what they compute.

All of it lives on one event loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from service.errors import DeadlinePassed, InternalError, NotFound, Overloaded, ServiceError

log = logging.getLogger(__name__)

RETRY_AFTER_S = 10

State = Literal["running", "done", "failed"]


@dataclass(kw_only=True)
class Job:
    """One explanation.

    Attributes:
        ended_at: On the clock; none while it runs.
        result: What it came to, or why it failed.
    """

    ended_at: float | None = None
    result: bytes | ServiceError | None = None

    @property
    def state(self) -> State:
        """Where it is."""
        if self.result is None:
            return "running"
        return "done" if isinstance(self.result, bytes) else "failed"


class Jobs:
    """Bounded in number, time and bytes.

    Args:
        most_running: At a time.
        timeout_s: What each has.
        kept_s: How long results are kept.
        max_bytes: All results together; the oldest is forgotten first.
        clock: In seconds.
    """

    def __init__(
        self,
        *,
        most_running: int,
        timeout_s: float,
        kept_s: float,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most_running = most_running
        self._timeout_s = timeout_s
        self._kept_s = kept_s
        self._max_bytes = max_bytes
        self._clock = clock
        self._running: dict[str, asyncio.Task[None]] = {}
        self._jobs: dict[str, Job] = {}
        self._ended: OrderedDict[str, Job] = OrderedDict()  # the oldest end first

    @property
    def running(self) -> int:
        """How many are."""
        return len(self._running)

    @property
    def kept_bytes(self) -> int:
        """Of all results that are kept."""
        return sum(_size(job) for job in self._ended.values())

    def check_room(self) -> None:
        """Whether one more may be begun.

        Raises:
            Overloaded: so many run that none may.
        """
        if len(self._running) >= self._most_running:
            raise Overloaded(
                f"{len(self._running)} explanations run, at most {self._most_running} may",
                retry_after_s=RETRY_AFTER_S,
            )

    def start(self, work: Coroutine[Any, Any, bytes], release: Callable[[], None]) -> str:
        """Begins one, and returns its id.

        Args:
            work: What it comes to.
            release: Called once it has ended, however that happens, or if it is not begun.

        Raises:
            Overloaded: so many run that none may.
        """
        try:
            self.check_room()
        except Overloaded:
            work.close()
            release()
            raise
        job_id, job = uuid4().hex, Job()
        task = asyncio.create_task(self._run(job_id, job, work))
        self._jobs[job_id], self._running[job_id] = job, task

        def ended(_: asyncio.Task[None]) -> None:
            self._running.pop(job_id, None)
            work.close()  # one that was given up before its first step
            release()

        task.add_done_callback(ended)
        return job_id

    def find(self, job_id: str) -> Job:
        """One that runs, or whose result is still kept.

        Raises:
            NotFound: there is none of this id.
        """
        self._forget()
        job = self._jobs.get(job_id)
        if job is None:
            raise NotFound("no explanation has this id, or its time is over")
        return job

    def cancel(self, job_id: str) -> None:
        """Ends one if it runs, and forgets its result.

        Raises:
            NotFound: there is none of this id.
        """
        self.find(job_id)
        del self._jobs[job_id]
        self._ended.pop(job_id, None)
        if job_id in self._running:
            self._running[job_id].cancel()

    async def close(self) -> None:
        """Ends all, and forgets everything."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        self._jobs.clear()
        self._ended.clear()
        if running:
            await asyncio.wait(running)

    async def _run(self, job_id: str, job: Job, work: Coroutine[Any, Any, bytes]) -> None:
        began = self._clock()
        try:
            async with asyncio.timeout(self._timeout_s):
                job.result = await work
        except TimeoutError:
            job.result = DeadlinePassed(f"it had not ended after {self._timeout_s:g} s")
        except ServiceError as error:
            job.result = error
        except Exception:
            log.exception("an explanation failed")
            job.result = InternalError()
        if job_id not in self._jobs:
            return
        job.ended_at = self._clock()
        self._ended[job_id] = job
        self._forget()
        log.info("explanation %s after %.1f s", job.state, job.ended_at - began)

    def _forget(self) -> None:
        """What is too old or too much."""
        now, left = self._clock(), self.kept_bytes
        for job_id, job in list(self._ended.items()):
            is_old = job.ended_at is not None and now - job.ended_at >= self._kept_s
            if not is_old and left <= self._max_bytes:
                return
            left -= _size(job)
            del self._ended[job_id], self._jobs[job_id]


def _size(job: Job) -> int:
    return len(job.result) if isinstance(job.result, bytes) else 0
