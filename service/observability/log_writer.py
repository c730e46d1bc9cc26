"""Lines of the log on their way out, so that nobody waits for whoever reads them.

A pipe holds 64 kB. Once it is full, a write waits until somebody reads, maybe for ever; on the
event loop that would stop every request.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from queue import SimpleQueue

log = logging.getLogger(__name__)

MAX_LINES = 2000
"""That may wait for a reader who pauses: about a megabyte."""

FLUSH_S = 0.5
"""What a flush waits at most; the end of the process flushes, and is not to hang."""

_POLL_S = 0.002


class LogWriter(logging.Handler):
    """Writes each record as a line from a thread of its own; what finds no room is counted.

    Lines are formatted where they are logged, since only there the ids of the request are known.

    Args:
        descriptor: The file to write to.
        max_lines: That may wait for it.
    """

    def __init__(self, descriptor: int, max_lines: int = MAX_LINES) -> None:
        super().__init__()
        self.dropped = 0
        """Lines that were not written, as the file took none or is broken."""
        self._descriptor = descriptor
        self._max_lines = max_lines
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._put = self._done = 0  # lines that came to the queue, and that left it
        self._told = 0  # of those dropped
        # Not the handler's own: logging holds that while it flushes, which waits for the thread.
        self._counting = threading.Lock()
        threading.Thread(target=self._write_all, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Puts the line into the queue, or drops it."""
        if self._put - self._done >= self._max_lines:
            self._drop()
            return
        try:
            line = f"{self.format(record)}\n".encode()
        except Exception:  # noqa: BLE001 - what is logged must not fail who logs it
            self.handleError(record)
            return
        self._add(line)

    def flush(self) -> None:
        """Returns once all is written, or after a while."""
        put, deadline = self._put, time.monotonic() + FLUSH_S
        while self._done < put and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def close(self) -> None:
        """Ends the thread, once it has written what waits."""
        self._lines.put(None)
        super().close()

    def _write_all(self) -> None:
        while (line := self._lines.get()) is not None:
            written = self._write(line)
            self._done += 1
            if not written:
                self._drop()
            elif self.dropped > self._told:
                lost, self._told = self.dropped - self._told, self.dropped
                self._add(self._line_of_loss(lost))  # behind what was logged before the loss

    def _line_of_loss(self, lost: int) -> bytes:
        message = "%d lines of the log were lost: nobody took them"
        record = log.makeRecord(log.name, logging.WARNING, __file__, 0, message, (lost,), None)
        return f"{self.format(record)}\n".encode()

    def _write(self, line: bytes) -> bool:
        """Whether it could be written."""
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # somebody who shares the pipe has made it so
                select.select([], [self._descriptor], [])
            except OSError:  # nobody reads it any more, or its disk is full
                return False
        return True

    def _add(self, line: bytes) -> None:
        with self._counting:  # two threads count
            self._put += 1
        self._lines.put(line)

    def _drop(self) -> None:
        with self._counting:
            self.dropped += 1
