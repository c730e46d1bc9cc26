"""The worker processes in which the model runs: kept alive, and asked one request at a time.

Knows neither HTTP nor TensorFlow, nor what is asked. Belongs to the event loop; see `link`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from service.errors import WorkerLost
from service.workers.idle import IdleWorkers
from service.workers.link import WorkerLink
from service.workers.process import ANY_CORE
from service.workers.slot import BackOff, WorkerEvent, WorkerPlan, WorkerSlot

_VANISH_S = 5.0
"""What processes that were killed have to vanish before a stop no longer waits for them."""

_MANY_LOSSES = 4
"""So many more than there are workers, one after the other and without an answer in between, are
no accidents: a text that ends its worker is tried on two."""


@dataclass(frozen=True, kw_only=True)
class PoolHealth:
    """What probes want to know.

    Attributes:
        workers: How many there should be.
        alive: How many are loaded and can answer, be they idle or at work.
        idle: How many of those wait for a request.
        restarts: Workers that were replaced since the start.
        last_loss: How the last one was lost, or why its replacement couldn't be loaded.
        unable_s: Since when none is alive; 0 while one is.
        is_stopping: Whether the pool was closed.
    """

    workers: int
    alive: int
    idle: int
    restarts: int
    last_loss: str | None
    unable_s: float
    is_stopping: bool

    @property
    def is_ready(self) -> bool:
        """Whether a request would find a worker, now or after those before it."""
        return self.alive > 0 and not self.is_stopping


class WorkerPool:
    """A fixed number of processes that load the same thing, and are replaced when they are lost.

    Args:
        target: "package.module:function". The function gets `arguments` in the process, loads,
            and returns what is to be told of it and what turns a request into a reply. All of it
            is pickled.
        arguments: Of the function.
        count: Processes.
        hang_timeout_s: A worker that neither answers nor gives a sign of life for longer is killed.
        load_timeout_s: One that takes longer to load is, too; None: as long as it takes.
        environment: Variables of theirs that differ from ours.
        pin: Whether each has a processor of its own, as far as they go.
        back_off: How long a lost one isn't replaced.
        on_event: Told of losses and replacements, in the event loop; it must not raise.
    """

    def __init__(
        self,
        target: str,
        arguments: Any,
        *,
        count: int,
        hang_timeout_s: float,
        load_timeout_s: float | None = None,
        environment: Mapping[str, str] | None = None,
        pin: bool = False,
        back_off: BackOff | None = None,
        on_event: Callable[[WorkerEvent], None] = lambda _: None,
    ) -> None:
        self._plan = WorkerPlan(
            target=target,
            arguments=arguments,
            environment=environment or {},
            load_timeout_s=load_timeout_s,
            back_off=back_off or BackOff(),
        )
        self._count = count
        self._hang_timeout_s = hang_timeout_s
        self._cores = sorted(os.sched_getaffinity(0)) if pin else [ANY_CORE]
        self._listeners = [on_event]
        self._slots: list[WorkerSlot] = []
        self._idle = IdleWorkers()
        self._running: set[asyncio.Task[Any]] = set()
        self._is_stopping = False
        self._restarts = 0
        self._losses_in_a_row = 0
        self._last_loss: str | None = None
        self._unable_since: float | None = None

    @property
    def alive(self) -> int:
        """Workers that are loaded and can answer, be they idle or at work."""
        return sum(slot.is_alive for slot in self._slots)

    @property
    def takes(self) -> int:
        """Requests at a time that needn't wait: one a worker, or one that is refused at once."""
        return 1 if self._is_stopping or self._has_given_up else self.alive

    @property
    def idle(self) -> int:
        """Those of them that wait for a request."""
        return len(self._idle)

    @property
    def pids(self) -> list[int]:
        """The processes of all workers, those that load among them."""
        return [slot.pid for slot in self._slots if slot.pid is not None]

    @property
    def health(self) -> PoolHealth:
        """The state of all workers now."""
        return PoolHealth(
            workers=self._count,
            alive=self.alive,
            idle=self.idle,
            restarts=self._restarts,
            last_loss=self._last_loss,
            unable_s=self._unable_s(),
            is_stopping=self._is_stopping,
        )

    def subscribe(self, listener: Callable[[WorkerEvent], None]) -> None:
        """Tells somebody else of losses and replacements, too; as `on_event`."""
        self._listeners.append(listener)

    async def start(self, *, one_first: bool = False) -> Any:
        """What the first worker tells of itself, once all are loaded.

        Args:
            one_first: Whether the others wait for the first: what can't be loaded then costs one
                process.

        Raises:
            NotReady: the pool was closed meanwhile.
            WorkerLost: a process ended or hung while it loaded.
            Exception: what the target raised.
        """
        self._unable_since = asyncio.get_running_loop().time()
        try:
            if one_first:
                await self._add_slot().first_load
            while len(self._slots) < self._count and not self._is_stopping:
                self._add_slot()
            infos = await asyncio.gather(*(slot.first_load for slot in self._slots))
        except BaseException:
            self.kill()
            await self.close(grace_s=0)
            raise
        self._unable_since = None
        return infos[0]

    async def run(self, request: Any) -> Any:
        """The reply of an idle worker, as soon as there is one.

        A caller that is cancelled doesn't stop the work under way. Where workers are lost one after
        the other and none has answered since, nobody waits for the next: it is lost to who comes
        when it is there, and so one is lost in each pause of the back-off and not one a request.

        Raises:
            WorkerLost: the process ended or hung while it worked; or many have, and none is left.
            NotReady: the pool was closed before the work began.
            Exception: what the worker raised; it lives on.
        """
        if self._has_given_up:
            raise _all_lost()
        link = await self._idle.get()
        task = asyncio.get_running_loop().create_task(self._ask(link, request))
        self._running.add(task)
        task.add_done_callback(self._has_run)
        return await asyncio.shield(task)

    async def close(self, grace_s: float) -> None:
        """Lets running requests finish, then ends all processes.

        Args:
            grace_s: What running requests have; whoever waits for them then gets WorkerLost.
        """
        self._stop()
        if self._running:
            await asyncio.wait(self._running, timeout=grace_s)
        for slot in self._slots:
            slot.close()
        if self._slots:
            await asyncio.wait([slot.ended for slot in self._slots], timeout=_VANISH_S)

    def kill(self) -> None:
        """Ends all processes at once, and takes no more requests."""
        self._stop()
        for slot in self._slots:
            slot.kill()

    def _add_slot(self) -> WorkerSlot:
        number = len(self._slots)
        core = self._cores[number % len(self._cores)]
        slot = WorkerSlot(number, self._plan, core, self._idle, self._tell)
        self._slots.append(slot)
        return slot

    def _stop(self) -> None:
        self._is_stopping = True
        for slot in self._slots:
            slot.stop()
        self._idle.close()

    async def _ask(self, link: WorkerLink, request: Any) -> Any:
        try:
            return await link.ask(request, self._hang_timeout_s)
        finally:
            if link.is_open:
                self._losses_in_a_row = 0
                self._idle.put(link)

    def _has_run(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: who asked may have left

    def _tell(self, event: WorkerEvent) -> None:
        if event.kind == "restarted":
            self._restarts += 1
            self._unable_since = None
        else:
            self._losses_in_a_row += 1
            if self._has_given_up:
                self._idle.turn_away(_all_lost)
            self._last_loss = f"worker {event.worker}: {event.kind}: {event.detail}"
            if not self.alive and self._unable_since is None:
                self._unable_since = asyncio.get_running_loop().time()
        for listener in self._listeners:
            listener(event)

    @property
    def _has_given_up(self) -> bool:
        return self._losses_in_a_row >= _MANY_LOSSES + self._count and not self.alive

    def _unable_s(self) -> float:
        if self._unable_since is None or self.alive:
            return 0.0
        return asyncio.get_running_loop().time() - self._unable_since


def _all_lost() -> WorkerLost:
    return WorkerLost("the model's processes are lost whatever they do", retry_after_s=5)
