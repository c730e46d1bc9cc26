"""Lines that wait for their reader, and those that are lost since there is none."""

from __future__ import annotations

import logging
import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from service.observability.log_writer import LogWriter

MAX_LINES = 5


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Where it is read and where it is written."""
    reads, writes = os.pipe()
    yield reads, writes
    for end in (reads, writes):
        with suppress(OSError):  # the test has closed it
            os.close(end)


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """All loggers of the process: the writer speaks of itself through one of its own."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    yield root
    root.handlers[:] = handlers


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_what_is_logged_is_written_in_its_order(
    pipe: tuple[int, int], logger: logging.Logger
) -> None:
    writer = LogWriter(pipe[1])
    logger.addHandler(writer)
    for number in range(100):
        logger.warning("line %d", number)
    writer.flush()
    assert os.read(pipe[0], 65_536).decode().splitlines() == [f"line {n}" for n in range(100)]
    assert writer.dropped == 0
    writer.close()


def fill(descriptor: int) -> int:
    """How many bytes it took until it took no more."""
    os.set_blocking(descriptor, False)
    filled = 0
    with suppress(BlockingIOError):
        while True:
            filled += os.write(descriptor, b"\n")
    os.set_blocking(descriptor, True)
    return filled


def test_without_a_reader_nobody_waits_and_lines_are_counted(
    pipe: tuple[int, int], logger: logging.Logger
) -> None:
    filled = fill(pipe[1])
    writer = LogWriter(pipe[1], MAX_LINES)
    logger.addHandler(writer)
    for number in range(MAX_LINES + 3):  # it ends only where no call waits for the pipe
        logger.warning("line %d", number)
    assert writer.dropped == 3
    writer.flush()  # in vain, and it returns
    said = b""
    while b"were lost" not in said:
        said += os.read(pipe[0], 65_536)
    lines = said[filled:].decode().splitlines()
    told = "3 lines of the log were lost: nobody took them"
    assert lines == [*(f"line {n}" for n in range(MAX_LINES)), told]
    writer.close()


def test_an_end_of_the_process_loses_no_line_that_there_is_room_for(
    pipe: tuple[int, int], logger: logging.Logger
) -> None:
    filled = fill(pipe[1])
    writer = LogWriter(pipe[1], MAX_LINES)
    logger.addHandler(writer)
    for number in range(MAX_LINES + 1):
        logger.warning("line %d", number)
    said = b""
    writer.acquire()  # as logging.shutdown does while it flushes
    try:
        while said.count(b"\n") < filled + MAX_LINES + 1:
            assert select.select([pipe[0]], [], [], 30)[0], "the thread waits for whoever flushes"
            said += os.read(pipe[0], 65_536)
    finally:
        writer.release()
    lines = said[filled:].decode().splitlines()
    assert lines[:MAX_LINES] == [f"line {n}" for n in range(MAX_LINES)]
    assert "1 lines of the log were lost" in lines[MAX_LINES]
    writer.close()


def test_a_reader_that_has_gone_is_no_failure(
    pipe: tuple[int, int], logger: logging.Logger
) -> None:
    os.close(pipe[0])
    writer = LogWriter(pipe[1])
    logger.addHandler(writer)
    logger.warning("for nobody")
    until(lambda: writer.dropped == 1)
    writer.close()


def test_a_pipe_that_does_not_wait_is_waited_for(
    pipe: tuple[int, int], logger: logging.Logger
) -> None:
    os.set_blocking(pipe[1], False)
    writer = LogWriter(pipe[1])
    logger.addHandler(writer)
    for _ in range(200):
        logger.warning("%s", "x" * 1000)
    said = b""
    while said.count(b"\n") < 200:
        said += os.read(pipe[0], 65_536)
    assert set(said.decode().splitlines()) == {"x" * 1000}
    writer.close()


def test_what_cannot_be_formatted_harms_nobody(
    pipe: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    writer = LogWriter(pipe[1])
    writer.handle(logging.LogRecord("test", logging.WARNING, __file__, 1, "%d", ("no",), None))
    assert "Logging error" in capsys.readouterr().err
    writer.flush()
    assert writer.dropped == 0
    writer.close()
