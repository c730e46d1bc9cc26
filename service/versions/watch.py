"""Looks for new versions of the model, and lets a good one answer in place of the one before.

A version is loaded and checked in worker processes of its own, beside those that answer. One that
is refused changes nothing, and is looked at again only when its files have changed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from model.artifact import ArtifactError
from service.predictor import DeviceUnavailable, Predictor
from service.versions.directory import Version, versions_under
from service.versions.readiness import PredictorSlot

log = logging.getLogger(__name__)

Outcome = Literal["served", "refused"]


class VersionWatch:
    """The newest good version under a directory. Belongs to the event loop.

    Args:
        root: Holds the numbered versions.
        load: Loads one, by its directory; what it raises is why the version is refused.
        poll_s: Seconds between two looks. A version whose files have changed between them is
            still being copied, and left alone.
        on_outcome: Told of each version that was tried.
    """

    def __init__(
        self,
        root: Path,
        load: Callable[[Path], Awaitable[Predictor]],
        poll_s: float,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self._root = root
        self._load = load
        self._poll_s = poll_s
        self._on_outcome = on_outcome
        self._serving: Path | None = None
        self._seen: set[Version] = set()
        self._refused: set[Version] = set()

    async def newest_good(self) -> Predictor:
        """The first predictor: of the highest version that can be loaded.

        Raises:
            ArtifactError: there is none; the message is that of the highest.
            Exception: why the highest could not be loaded.
        """
        errors = []
        for version in await self._versions():
            outcome = await self._try(version)
            if not isinstance(outcome, Exception):
                return outcome
            errors.append(outcome)
            if isinstance(outcome, DeviceUnavailable):  # no fault of the version
                break
        raise errors[0] if errors else ArtifactError("no artifact: no numbered directory")

    async def run(self, slot: PredictorSlot) -> None:
        """Looks again and again, until it is cancelled."""
        await slot.settled.wait()
        while True:
            await asyncio.sleep(self._poll_s)
            try:
                await self.look(slot)
            except Exception:
                log.exception("looking for new versions failed")

    async def look(self, slot: PredictorSlot) -> None:
        """Tries the versions above the one that answers, and returns once one took its place.

        Where that one is gone, the highest that is left is tried, though its number be lower.
        """
        before, found = self._seen, await self._versions()
        self._seen = set(found)
        self._refused &= self._seen
        for version in found:
            if version.directory == self._serving:
                return
            if version in self._refused or version not in before:
                continue
            outcome = await self._try(version)
            if not isinstance(outcome, Exception):
                await slot.replace(outcome)
                return

    async def _versions(self) -> list[Version]:
        return await asyncio.to_thread(versions_under, self._root)

    async def _try(self, version: Version) -> Predictor | Exception:
        name = version.directory.name
        log.info("trying version %s", name)
        try:
            predictor = await self._load(version.directory)
        except Exception as error:
            self._refused.add(version)
            self._on_outcome("refused")
            # The message of an artifact's error names no path; of others the log may tell all.
            trace = None if isinstance(error, ArtifactError) else error
            log.error("version %s is refused: %s", name, error, exc_info=trace)  # noqa: TRY400
            return error
        self._serving = version.directory
        self._on_outcome("served")
        return predictor
