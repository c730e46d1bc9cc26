"""The place of one worker: whoever is lost from it is replaced."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from service.errors import NotReady, WorkerLost
from service.workers.idle import IdleWorkers
from service.workers.link import WorkerLink

log = logging.getLogger(__name__)

Loss = Literal["died", "hung", "load_failed"]


@dataclass(frozen=True, kw_only=True)
class WorkerEvent:
    """What happened to a worker, for whoever counts it.

    Attributes:
        kind: `died` by itself, `hung` and was killed, `load_failed` when a lost one was to be
            replaced, or `restarted`: it was replaced.
        worker: Its number, from 0; its replacement has the same.
        detail: What is known of a loss.
    """

    kind: Loss | Literal["restarted"]
    worker: int
    detail: str


@dataclass(frozen=True, kw_only=True)
class BackOff:
    """How long a lost worker isn't replaced: not at all at first, then it doubles.

    Attributes:
        first_s: Before the second replacement in a row.
        longest_s: At most.
        reset_after_s: A worker that lived as long, once it was loaded, ends the row.
    """

    first_s: float = 0.25
    longest_s: float = 30.0
    reset_after_s: float = 60.0

    def delay_s(self, losses: int) -> float:
        """Before the next attempt, after so many losses in a row."""
        if losses <= 1:
            return 0.0
        return float(min(self.first_s * 2 ** min(losses - 2, 32), self.longest_s))


@dataclass(frozen=True, kw_only=True)
class WorkerPlan:
    """What every worker of a pool is made of.

    Attributes:
        target: "package.module:function", called in the process.
        arguments: Of the function.
        environment: Variables that differ from those of this process.
        load_timeout_s: For the call; None: as long as it takes.
        back_off: How long a lost one isn't replaced.
    """

    target: str
    arguments: Any
    environment: Mapping[str, str]
    load_timeout_s: float | None
    back_off: BackOff


class WorkerSlot:
    """Keeps one worker alive until it is told to stop.

    Args:
        number: From 0.
        plan: What the worker is made of.
        core: The processor it is pinned to, or `ANY_CORE`.
        idle: Where it waits for requests.
        on_event: Told of losses and replacements.
    """

    def __init__(
        self,
        number: int,
        plan: WorkerPlan,
        core: int,
        idle: IdleWorkers,
        on_event: Callable[[WorkerEvent], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.first_load: asyncio.Future[Any] = loop.create_future()
        """What the first worker told of itself, or why there is none: that isn't tried again."""
        self._number = number
        self._plan = plan
        self._core = core
        self._idle = idle
        self._on_event = on_event
        self._link: WorkerLink | None = None
        self._is_loaded = False
        self._stopping = asyncio.Event()
        self.ended = loop.create_task(self._keep())
        """Done once there is no worker, nor will be one."""

    @property
    def is_alive(self) -> bool:
        """Whether its worker is loaded and can answer."""
        return self._is_loaded and self._link is not None and self._link.is_open

    @property
    def pid(self) -> int | None:
        """The process of its worker, loaded or not."""
        return None if self._link is None else self._link.pid

    def stop(self) -> None:
        """Replaces its worker no more, once it ends."""
        self._stopping.set()

    def close(self) -> None:
        """Lets its worker end, whatever it does."""
        self.stop()
        if self._link is not None:
            self._link.close()

    def kill(self) -> None:
        """Ends its worker now."""
        self.stop()
        if self._link is not None:
            self._link.kill()

    async def _keep(self) -> None:
        back_off, losses = self._plan.back_off, 0
        try:
            while True:
                lived_s = await self._live()
                if self._stopping.is_set() or self._never_loaded():
                    return
                losses = 1 if lived_s >= back_off.reset_after_s else losses + 1
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), back_off.delay_s(losses))
                    return
        finally:
            self._settle(NotReady("the service is stopping", retry_after_s=1))

    async def _live(self) -> float:
        """One worker, from its start to its end; the seconds since it was loaded."""
        plan, loop = self._plan, asyncio.get_running_loop()
        try:
            self._link = link = WorkerLink(plan.environment, self._core)
            info = await link.ask((plan.target, plan.arguments), plan.load_timeout_s)
        except Exception as error:  # noqa: BLE001 - told to whoever waits for it, or logged
            await self._has_not_loaded(error)
            return 0.0
        loaded_at = loop.time()
        self._has_loaded(link, info)
        how = await link.ended()
        self._is_loaded, self._link = False, None
        self._idle.discard(link)
        self._tell_loss("hung" if link.hung else "died", how)
        return loop.time() - loaded_at

    async def _has_not_loaded(self, error: Exception) -> None:
        if self._link is not None:
            self._link.close()
            how = await self._link.ended()
            self._link = None
            if isinstance(error, WorkerLost):
                error = WorkerLost(f"a model's process {how} while it loaded")
        if not self._stopping.is_set():
            self._settle(error)
        self._tell_loss("load_failed", f"{type(error).__name__}: {error}", error)

    def _has_loaded(self, link: WorkerLink, info: Any) -> None:
        self._is_loaded = True
        self._idle.put(link)
        if self.first_load.done():
            log.warning("worker %d was replaced by process %d", self._number, link.pid)
            self._on_event(WorkerEvent(kind="restarted", worker=self._number, detail=""))
        else:
            self.first_load.set_result(info)

    def _never_loaded(self) -> bool:
        first = self.first_load
        return first.cancelled() or first.exception() is not None

    def _settle(self, error: Exception) -> None:
        if not self.first_load.done():
            self.first_load.set_exception(error)

    def _tell_loss(self, kind: Loss, detail: str, error: Exception | None = None) -> None:
        if self._stopping.is_set() or self._never_loaded():
            return
        log.error("worker %d: %s: %s", self._number, kind, detail, exc_info=error)
        self._on_event(WorkerEvent(kind=kind, worker=self._number, detail=detail))
