"""One thread in which the model runs, behind a bounded queue: never the event loop.

Knows neither HTTP nor TensorFlow.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from service.errors import NotReady, Overloaded
from service.predictor import EngineObserver, NoObserver

Result = TypeVar("Result")


class InferenceThread:
    """Runs work one after the other; refuses what would wait behind too many texts.

    Args:
        max_texts: Texts in work or waiting. Work that finds nothing before it is always taken.
        observer: Told of the length of the queue.
    """

    def __init__(self, max_texts: int, observer: EngineObserver | None = None) -> None:
        self._max_texts = max_texts
        self._observer = observer or NoObserver()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference")
        self._lock = threading.Lock()
        self._texts = 0
        self._seconds_per_text = 0.1  # a first guess; measured from then on

    @property
    def texts(self) -> int:
        """Texts in work or waiting."""
        return self._texts

    async def run(self, work: Callable[[], Result], texts: int) -> tuple[Result, float]:
        """The result of `work` and the seconds that it waited for its turn.

        Raises:
            Overloaded: too many texts are before it.
            NotReady: the thread was closed.
        """
        self._admit(texts)
        asked = time.perf_counter()

        def timed() -> tuple[Result, float]:
            began = time.perf_counter()
            result = work()
            self._learn((time.perf_counter() - began) / texts)
            return result, began - asked

        try:
            future = self._executor.submit(timed)
        except RuntimeError as error:
            self._release(texts)
            raise NotReady("the service is stopping", retry_after_s=1) from error
        # Not when the waiting coroutine ends: a client that left doesn't stop work under way.
        future.add_done_callback(lambda _: self._release(texts))
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """Finishes the work accepted; takes no more."""
        await asyncio.to_thread(self._executor.shutdown)

    def _admit(self, texts: int) -> None:
        with self._lock:
            if self._texts and self._texts + texts > self._max_texts:
                wait = self._texts * self._seconds_per_text
                raise Overloaded(
                    f"{self._texts} texts are in work or waiting, at most {self._max_texts} may",
                    retry_after_s=max(1.0, wait),
                )
            self._texts += texts
            self._observer.queued(self._texts)

    def _release(self, texts: int) -> None:
        with self._lock:
            self._texts -= texts
            self._observer.queued(self._texts)

    def _learn(self, seconds: float) -> None:
        self._seconds_per_text += 0.2 * (seconds - self._seconds_per_text)
