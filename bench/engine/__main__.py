"""One thread, one core: prints milliseconds a text, and what that is beside peer and bound."""

from __future__ import annotations

import os
import sys

from bench.serving.systems import one_thread

if __name__ == "__main__":
    # Before NumPy and TensorFlow are imported.
    os.environ |= one_thread() | {"OPENBLAS_NUM_THREADS": "1"}
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import tensorflow as tf

from bench.engine.bound import Ceilings, bound_s, measure_ceilings, work_of
from bench.engine.exported import Exported
from bench.engine.peer import Peer, write_model
from bench.machine import describe
from bench.texts import texts_of
from model import artifact
from model.tokenizer import Tokenizer

Sources = Sequence[Sequence[int]]
Call = Callable[[Sources, int, int], None]

OURS, FLOAT32, INT8 = "ours", "CTranslate2 float32", "CTranslate2 int8"
LENGTHS, BEAMS, BATCHES = (128, 256), (4, 1), (1, 8, 32)
TEXTS = max(BATCHES)


@dataclass(frozen=True, kw_only=True)
class Case:
    """The same texts for all, in batches of like length."""

    name: str
    batches: Sequence[Sources]
    num_beams: int
    batch: int

    @property
    def texts(self) -> int:
        """How many there are."""
        return sum(map(len, self.batches))


@dataclass(frozen=True, kw_only=True)
class Took:
    """Milliseconds a text."""

    wall_ms: float
    cpu_ms: float


def cases(real: Sources) -> list[Case]:
    """Every input at every width and batch size."""
    # Ids from 4: those before are nobody's words.
    synthetic = {
        f"{length} tokens": [
            [4 + (7 * i + 31 * row) % 4000 for i in range(length)] for row in range(TEXTS)
        ]
        for length in LENGTHS
    }
    found = []
    inputs: dict[str, Sources] = {"real lengths": sorted(real, key=len), **synthetic}
    for name, sources in inputs.items():
        for num_beams in BEAMS:
            for batch in BATCHES:
                batches = [sources[i : i + batch] for i in range(0, len(sources), batch)]
                # Equal texts take equally long: one call is enough.
                chosen = batches if name == "real lengths" else batches[:1]
                found.append(Case(name=name, batches=chosen, num_beams=num_beams, batch=batch))
    return found


def timed(call: Call, case: Case, steps: int) -> Took:
    """One pass over the case."""
    wall, cpu = time.perf_counter(), time.process_time()
    for sources in case.batches:
        call(sources, case.num_beams, steps)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Took(wall_ms=1000 * wall / case.texts, cpu_ms=1000 * cpu / case.texts)


def bound_ms(case: Case, config: Mapping[str, object], ceilings: Ceilings, steps: int) -> float:
    """At the least, a text."""
    seconds = 0.0
    for sources in case.batches:
        lengths = [len(source) for source in sources]
        work = work_of(config, lengths, case.num_beams, max(lengths))
        seconds += bound_s(work, ceilings, steps)
    return 1000 * seconds / case.texts


def row(case: Case, found: Mapping[str, Sequence[Took]], bound: float) -> str:
    """A line of the table; ratios are of processor time, which a busy machine disturbs less."""
    wall = {name: median(took.wall_ms for took in rounds) for name, rounds in found.items()}
    cpu = {name: median(took.cpu_ms for took in rounds) for name, rounds in found.items()}
    cells = [case.name, str(case.num_beams), str(case.batch)]
    cells += [f"{wall[name]:.1f} / {cpu[name]:.1f}" for name in (OURS, FLOAT32, INT8)]
    cells += [f"{cpu[name] / cpu[OURS]:.2f}" for name in (FLOAT32, INT8)]
    return f"| {' | '.join([*cells, f'{bound:.1f}', f'{cpu[OURS] / bound:.1f}'])} |"


def main() -> int:
    """Measures all in turn, round by round, and prints a table."""
    options = _options()
    directory = options.artifact
    if not (directory / artifact.MANIFEST).is_file():
        directory = artifact.latest_version(directory)
    print(describe(["tensorflow_cpu", "ctranslate2", "numpy"]), flush=True)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    ours = Exported(directory)
    config, steps = ours.manifest.config, options.steps
    tokenizer = Tokenizer.load(directory / artifact.TOKENIZER)
    limit = ours.manifest.max_source_tokens
    texts = texts_of(options.texts, TEXTS)
    measured = cases([tokenizer.encode(text, max_tokens=limit).ids for text in texts])
    if options.quick:
        measured = [case for case in measured if case.batch < TEXTS and case.name != "real lengths"]
    ceilings = measure_ceilings(
        work_of(config, [LENGTHS[0]], 1, LENGTHS[0]).step_bytes, ours.precision
    )
    _print_head(ours, ceilings, options)
    with tempfile.TemporaryDirectory() as name:
        write_model(Path(name, "peer"), config)
        systems: dict[str, Call] = {OURS: ours}
        systems |= {FLOAT32: Peer(Path(name, "peer"), "float32")}
        systems |= {INT8: Peer(Path(name, "peer"), "int8")}
        for case in measured:
            found: dict[str, list[Took]] = defaultdict(list)
            for call in systems.values():
                timed(call, case, steps)  # warms up: shapes, packed weights
            for _ in range(options.rounds):
                for system, call in systems.items():
                    found[system].append(timed(call, case, steps))
            print(row(case, found, bound_ms(case, config, ceilings, steps)), flush=True)
    return 0


def _print_head(ours: Exported, ceilings: Ceilings, options: argparse.Namespace) -> None:
    manifest = ours.manifest
    print(
        f"artifact {manifest.name} {manifest.version} ({ours.precision}, "
        f"{manifest.config['num_layers']} layers, {manifest.config['hidden_dim']} wide), "
        f"{options.steps} tokens written, one thread, medians of {options.rounds} rounds\n"
        f"ceilings of this core: {ceilings.flops / 1e9:.0f} GFLOP/s float32, "
        f"{ceilings.encoder_flops / 1e9:.0f} in what the encoder computes in, "
        f"{ceilings.memory_bytes / 1e9:.1f} GB/s from memory, "
        f"{ceilings.cached_bytes / 1e9:.1f} GB/s of what a step reads\n"
    )
    titles = [
        "input",
        "beams",
        "batch",
        *(f"{name}, ms / CPU ms" for name in (OURS, FLOAT32, INT8)),
    ]
    titles += ["float32 over ours", "int8 over ours", "bound, ms", "ours over bound"]
    print(f"| {' | '.join(titles)} |\n| {' | '.join(['---'] * len(titles))} |", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    add = parser.add_argument
    add("--artifact", type=Path, default=Path("artifacts/summarizer"))
    add("--texts", type=Path, help="a data file to take texts from; else they are composed")
    add("--steps", type=int, default=16, help="tokens that all write")
    add("--rounds", type=int, default=9)
    add("--quick", action="store_true", help="a rehearsal: its figures mean nothing")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.steps = 1, 4
    return options


if __name__ == "__main__":
    sys.exit(main())
