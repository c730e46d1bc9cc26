from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench.process_tree import birth, members, usage

CHILD = "import sys, time; end = time.process_time() + 0.1\n" + (
    "while time.process_time() < end: pass\nprint(flush=True); sys.stdin.read()"
)


@pytest.fixture(scope="module")
def child() -> Iterator[int]:
    """Has used a tenth of a second, and waits."""
    command = [sys.executable, "-S", "-c", CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_a_tree_has_what_a_process_started(child: int) -> None:
    assert child in members(os.getpid())
    assert members(child) == [child]


def test_processor_time_of_children_counts(child: int) -> None:
    # The kernel tells whole ticks of the program and of itself: a part of each may be missing.
    assert 0.1 - 2 / os.sysconf("SC_CLK_TCK") <= usage(child).cpu_s < 5
    assert usage(os.getpid()).cpu_s >= usage(os.getpid(), alone=True).cpu_s


def test_a_process_holds_memory_descriptors_and_threads(child: int) -> None:
    found = usage(child)
    assert found.rss_bytes > found.own_bytes > 100_000
    assert (found.threads, found.processes) == (1, 1)
    assert found.descriptors >= 3


def test_a_process_is_known_by_its_birth(child: int) -> None:
    assert birth(child) == birth(child)
    assert birth(2**22 + 1) is None
