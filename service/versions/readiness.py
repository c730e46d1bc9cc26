"""Where the loaded predictor is found, or why there is none yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

from model.artifact import ArtifactError
from service.errors import NotReady
from service.predictor import DeviceUnavailable, ModelInfo, Predictor, WorkerHealth

log = logging.getLogger(__name__)

State = Literal["loading", "ready", "failed", "stopping"]

LOST = "the model's process was lost; another is loading"

PATIENCE_S = 30
"""So long requests are taken while no worker is alive: a lost one is soon replaced."""


class _Held:
    """A predictor and how many requests have it in hand."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.users = 0
        self.unused = asyncio.Event()
        self.unused.set()


class PredictorSlot:
    """Holds the predictor once it is loaded, and its successors. Belongs to the event loop.

    Args:
        on_failure: Told of an error that ended the load.
    """

    def __init__(self, on_failure: Callable[[Exception], None]) -> None:
        self._on_failure = on_failure
        self._held: _Held | None = None
        self._retiring: _Held | None = None
        self._retirement: asyncio.Future[None] | None = None
        self._earlier_restarts = 0
        self._reason = "the model is being loaded"
        self._state: State = "loading"
        self._load: asyncio.Future[None] | None = None
        self.settled = asyncio.Event()
        """Set once the load has succeeded or failed."""

    @property
    def predictor(self) -> Predictor:
        """The predictor that answers.

        Raises:
            NotReady: there is none; the detail says why.
        """
        return self._ready().predictor

    def check(self) -> None:
        """Whether requests are taken.

        Raises:
            NotReady: they are not; the detail says why.
        """
        self._ready()

    @contextmanager
    def lease(self) -> Iterator[Predictor]:
        """The predictor that answers now; it is not closed while somebody has it in hand.

        Raises:
            NotReady: there is none; the detail says why.
        """
        held = self._ready()
        held.users += 1
        held.unused.clear()
        try:
            yield held.predictor
        finally:
            held.users -= 1
            if not held.users:
                held.unused.set()

    def check_workers(self) -> None:
        """Whether a request would be answered at once.

        Raises:
            NotReady: no worker is alive now; requests wait for a moment for the next.
        """
        if not self.predictor.health.alive:
            raise NotReady(LOST, retry_after_s=5)

    def health(self) -> WorkerHealth | None:
        """The processes in which the model runs, once it is loaded."""
        if self._held is None:
            return None
        health = self._held.predictor.health
        retiring = () if self._retiring is None else self._retiring.predictor.health.pids
        return replace(
            health,
            restarts=health.restarts + self._earlier_restarts,
            pids=(*health.pids, *retiring),
        )

    def info(self) -> ModelInfo | None:
        """The model that answers, if one does."""
        return None if self._held is None else self._held.predictor.info

    def version(self) -> str | None:
        """Its version."""
        info = self.info()
        return None if info is None else info.version

    def fill(self, load: Awaitable[Predictor]) -> None:
        """Starts the load and returns at once."""
        self._load = asyncio.ensure_future(self._settled(load))

    async def replace(self, predictor: Predictor) -> None:
        """Lets another predictor answer from now on.

        Returns once the one before is closed: requests that have it in hand are answered first.
        """
        before = self._held
        self._take(predictor)
        if before is None:
            return
        self._earlier_restarts += before.predictor.health.restarts
        self._retiring = before
        self._retirement = asyncio.ensure_future(self._retire(before))
        await asyncio.shield(self._retirement)

    async def _retire(self, held: _Held) -> None:
        await held.unused.wait()
        await held.predictor.close()
        self._retiring = None

    async def _settled(self, load: Awaitable[Predictor]) -> None:
        try:
            self._settle(await load)
        except (ArtifactError, DeviceUnavailable) as error:
            self._settle(error)
        except Exception as error:
            log.exception("the load failed")
            self._settle(error)

    async def close(self) -> None:
        """Ends a load under way, lets the predictor finish its work, and answers no more."""
        held, self._held = self._held, None
        self._state, self._reason = "stopping", "the service is stopping"
        if self._load is not None and not self._load.done():
            self._load.cancel()
            await asyncio.wait([self._load])
        if self._retiring is not None:
            self._retiring.unused.set()  # the server has let go of all requests
        closing = [] if held is None else [held.predictor.close()]
        await asyncio.gather(*closing, *([] if self._retirement is None else [self._retirement]))

    def _ready(self) -> _Held:
        if self._state != "ready" or self._held is None:
            raise NotReady(self._reason, retry_after_s=30 if self._state == "failed" else 5)
        if self._held.predictor.health.unable_s > PATIENCE_S:
            raise NotReady(LOST, retry_after_s=5)
        return self._held

    def _take(self, predictor: Predictor) -> None:
        info = predictor.info
        log.info("ready: %s %s on %s", info.name, info.version, info.device)
        self._state, self._held = "ready", _Held(predictor)

    def _settle(self, outcome: Predictor | Exception) -> None:
        if isinstance(outcome, Exception):
            self._state, self._reason = "failed", _public_reason(outcome)
            log.error("%s", self._reason)
            self._on_failure(outcome)
        else:
            self._take(outcome)
        self.settled.set()


def _public_reason(error: Exception) -> str:
    """What a client may read: our own messages are made for it, others may name paths."""
    if isinstance(error, ArtifactError | DeviceUnavailable):
        return f"no model could be loaded: {error}"
    return f"no model could be loaded: {type(error).__name__}; the log has the cause"
