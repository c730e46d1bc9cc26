"""The engine without any server, a process for each core: `python -m bench.serving.raw CORE`.

Reads a job a line and answers with a line: what the same work costs where nothing is served.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.server import ROOT, NotStarted
from bench.serving.systems import one_thread

BATCHES = (1, 8, 4, 16, 32, 64)  # the first two in a rehearsal
_ANY_SIZE = 16_777_216


@dataclass(frozen=True, kw_only=True)
class Raw:
    """All texts once, on all cores."""

    batch: int
    per_s: float
    cpu_ms: float  # a text
    tokens: int  # real ones that the model was given


class RawEngines:
    """Engines that wait for work, one a core."""

    def __init__(self, processes: Sequence[subprocess.Popen[str]]) -> None:
        self._processes = processes

    def batched(self, texts: Sequence[str], batch: int) -> Raw:
        """All texts in batches of like length, dealt out to the cores."""
        ordered = sorted(texts, key=len)
        groups = [ordered[i : i + batch] for i in range(0, len(ordered), batch)]
        # Long and short ones to each.
        shares = [groups[i :: len(self._processes)] for i in range(len(self._processes))]
        found = self._ask([{"groups": share} for share in shares])
        return Raw(
            batch=batch,
            per_s=len(texts) / max(one["wall_s"] for one in found),
            cpu_ms=1000 * sum(one["cpu_s"] for one in found) / len(texts),
            tokens=sum(one["tokens"] for one in found),
        )

    def one_ms(self, text: str) -> float:
        """Milliseconds of one text by itself, while the other cores idle."""
        [found] = self._ask([{"groups": [[text]]}])
        return 1000 * float(found["wall_s"])

    def _ask(self, jobs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        asked = list(zip(self._processes, jobs, strict=False))
        for process, job in asked:
            assert process.stdin is not None
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
        return [_line(process) for process, _ in asked]


@contextmanager
def raw_engines(artifact: Path, workers: int) -> Iterator[RawEngines]:
    """As many as there are workers, each bound to a core, until the block ends."""
    cores = sorted(os.sched_getaffinity(0))
    environment = os.environ | one_thread() | {"SUMMARIZER_ARTIFACT": str(artifact.absolute())}
    environment |= {"SUMMARIZER_MAX_BATCH_TOKENS": str(_ANY_SIZE), "SUMMARIZER_DEVICE": "cpu"}
    with ExitStack() as stack:
        processes = []
        for index in range(workers):
            command = [sys.executable, "-m", __name__, str(cores[index % len(cores)])]
            process = subprocess.Popen(  # noqa: S603 - this module
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            processes.append(process)
        for process in processes:
            _line(process)  # loaded
        yield RawEngines(processes)


def _line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise NotStarted("the engine itself ended; what it printed is above")
    answer: dict[str, Any] = json.loads(line)
    return answer


def main(core: int) -> None:
    """Answers until its parent ends it."""
    os.sched_setaffinity(0, {core})
    from service.options import options_of
    from service.saved_model import load_engine
    from service.schemas import PredictRequest
    from service.settings import Settings

    engine = load_engine(Settings())
    options = options_of(PredictRequest(inputs="."), engine.info)
    print("{}", flush=True)
    for line in sys.stdin:
        engine.take_calls()
        wall, cpu = time.perf_counter(), time.process_time()
        for group in json.loads(line)["groups"]:
            engine.summarize(group, options)
        spent = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
        tokens = sum(call.tokens for call in engine.take_calls())
        print(json.dumps(spent | {"tokens": tokens}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
