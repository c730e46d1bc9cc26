"""Time and memory of full and of windowed self-attention: `python -m bench.attention`.

One layer of the shipped model's sizes, one text, from 128 to 8,192 tokens. Each length and kind is
measured in a process of its own, since memory that was once taken is not given back.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from model.line_chart import line_chart

LENGTHS = (128, 256, 512, 1024, 2048, 4096, 8192)
HIDDEN_DIM, NUM_HEADS, WINDOW, NUM_GLOBAL = 256, 4, 128, 16
KINDS = {"full": None, "window": WINDOW}
REPEATS = 7
KIB_PER_MIB = 1024


def measure(kind: str, length: int) -> dict[str, float]:
    """Median milliseconds, and MiB that the process grew by, in this process."""
    import numpy as np
    import tensorflow as tf

    from model.attention import SelfAttention

    window = KINDS[kind]
    layer = SelfAttention(
        HIDDEN_DIM, NUM_HEADS, window=window, num_global=NUM_GLOBAL if window else 0
    )
    layer.build((None, None, HIDDEN_DIM))
    layer.output_dense.kernel.assign(tf.eye(HIDDEN_DIM))
    specs = [tf.TensorSpec([1, None, HIDDEN_DIM]), tf.TensorSpec([1, 1, 1, None], tf.bool)]
    run = tf.function(lambda x, mask: layer(x, mask)[0], input_signature=specs, autograph=False)
    inputs = np.random.default_rng(0).normal(size=(1, length, HIDDEN_DIM)).astype(np.float32)
    mask = np.ones((1, 1, 1, length), bool)
    run(inputs[:, : LENGTHS[0]], mask[..., : LENGTHS[0]])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run(inputs, mask).numpy()
        times.append(1000 * (time.perf_counter() - began))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"ms": median(times), "mib": grown / KIB_PER_MIB}


def main() -> int:
    """Measures all in turn, interleaved; prints a table and writes a picture."""
    parser = argparse.ArgumentParser(prog="python -m bench.attention", description=__doc__)
    parser.add_argument("--one", nargs=2, metavar=("KIND", "LENGTH"), help=argparse.SUPPRESS)
    parser.add_argument("--svg", type=Path, help="write the picture here")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one[0], int(given.one[1]))))
        return 0
    print(
        f"{platform.machine()}, {os.cpu_count()} cores; one layer, {HIDDEN_DIM} wide, "
        f"{NUM_HEADS} heads; window {WINDOW}, {NUM_GLOBAL} global; median of {REPEATS}\n"
    )
    print("| tokens | full, ms | window, ms | full, MiB | window, MiB |")
    print("| --- | --- | --- | --- | --- |")
    found: dict[str, dict[int, dict[str, float]]] = {kind: {} for kind in KINDS}
    for length in LENGTHS:
        for kind in KINDS:
            command = [sys.executable, "-m", "bench.attention", "--one", kind, str(length)]
            run = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  # this module
            found[kind][length] = json.loads(run.stdout.splitlines()[-1])
        full, window = found["full"][length], found["window"][length]
        print(
            f"| {length} | {full['ms']:.1f} | {window['ms']:.1f} "
            f"| {full['mib']:.0f} | {window['mib']:.0f} |"
        )
    if given.svg:
        panels = [
            (
                title,
                {kind: [(n, row[key]) for n, row in rows.items()] for kind, rows in found.items()},
            )
            for key, title in (("ms", "milliseconds"), ("mib", "MiB of memory"))
        ]
        given.svg.write_text(line_chart("Cost of self-attention", panels, "tokens"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
