"""Where the loaded predictor is found, or why there is none yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

from model.artifact import ArtifactError
from service.errors import NotReady
from service.predictor import DeviceUnavailable, ModelInfo, Predictor, WorkerHealth

log = logging.getLogger(__name__)

State = Literal["loading", "ready", "failed", "stopping"]

LOST = "the model's process was lost; another is loading"

PATIENCE_S = 30
"""So long requests are taken while no worker is alive: a lost one is soon replaced."""


class PredictorSlot:
    """Holds the predictor once it is loaded. Belongs to the event loop.

    Args:
        on_failure: Told of an error that ended the load.
    """

    def __init__(self, on_failure: Callable[[Exception], None]) -> None:
        self._on_failure = on_failure
        self._predictor: Predictor | None = None
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
        if self._state != "ready" or self._predictor is None:
            raise NotReady(self._reason, retry_after_s=30 if self._state == "failed" else 5)
        if self._predictor.health.unable_s > PATIENCE_S:
            raise NotReady(LOST, retry_after_s=5)
        return self._predictor

    def check_workers(self) -> None:
        """Whether a request would be answered at once.

        Raises:
            NotReady: no worker is alive now; requests wait for a moment for the next.
        """
        if not self.predictor.health.alive:
            raise NotReady(LOST, retry_after_s=5)

    def health(self) -> WorkerHealth | None:
        """The processes in which the model runs, once it is loaded."""
        return None if self._predictor is None else self._predictor.health

    def info(self) -> ModelInfo | None:
        """The model that answers, if one does."""
        return None if self._predictor is None else self._predictor.info

    def version(self) -> str | None:
        """Its version."""
        info = self.info()
        return None if info is None else info.version

    def fill(self, load: Awaitable[Predictor]) -> None:
        """Starts the load and returns at once."""
        self._load = asyncio.ensure_future(self._settled(load))

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
        predictor, self._predictor = self._predictor, None
        self._state, self._reason = "stopping", "the service is stopping"
        if self._load is not None and not self._load.done():
            self._load.cancel()
            await asyncio.wait([self._load])
        if predictor is not None:
            await predictor.close()

    def _settle(self, outcome: Predictor | Exception) -> None:
        if isinstance(outcome, Exception):
            self._state, self._reason = "failed", _public_reason(outcome)
            log.error("%s", self._reason)
            self._on_failure(outcome)
        else:
            info = outcome.info
            log.info("ready: %s %s on %s", info.name, info.version, info.device)
            self._state, self._predictor = "ready", outcome
        self.settled.set()


def _public_reason(error: Exception) -> str:
    """What a client may read: our own messages are made for it, others may name paths."""
    if isinstance(error, ArtifactError | DeviceUnavailable):
        return f"no model could be loaded: {error}"
    return f"no model could be loaded: {type(error).__name__}; the log has the cause"
