"""Small training jobs in processes of their own, which kill themselves where they are told to.

`python tests/model/training/killed_job.py STEPS OUT=HOW …`: HOW is `step:N` (SIGKILL after N steps
of that process), `write:N` (SIGKILL when N arrays of a checkpoint's temporary file are written) or
`end`. Each is forked from one process that has imported everything, which takes longest, and has
computed nothing. Prints a line of JSON for each: exit code, files, and digests of the checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import traceback
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from model.data import BatchOptions
from model.readers import DataFile
from model.train import BUILT_IN
from model.training.checkpoint import FILE_NAME
from model.training.corpus import Corpus
from model.training.determinism import make_deterministic
from model.training.job import Job, TrainOptions

# One length for all sources and one batch shape: every other one costs seconds of tracing.
OPTIONS = {
    "vocab_size": 500,
    "hidden_dim": 8,
    "num_layers": 1,
    "dropout": 0.1,
    "label_smoothing": 0.1,
    "ema_decay": 0.9,
    "warmup_steps": 2,
    "decay_steps": 4,
    "checkpoint_steps": 3,
    "validation_steps": 100,
    "batches": BatchOptions(
        max_source_tokens=32,
        max_summary_tokens=4,
        bucket_tokens=32,
        inner_share=0.0,
        tokens_per_batch=128,
        window_batches=4,
        merge_dropout=0.1,
        seed=3,
    ),
}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_step(job: Job, count: int) -> None:
    train_on_batch, made = job.model.train_on_batch, 0

    def train_and_die(*arguments: Any, **options: Any) -> Any:
        nonlocal made
        loss = train_on_batch(*arguments, **options)
        made += 1
        if made == count:
            die()
        return loss

    job.model.train_on_batch = train_and_die


def die_in_writing(count: int) -> None:
    opened, arrays = zipfile.ZipFile.open, 0

    def open_and_die(archive: zipfile.ZipFile, name: Any, mode: str = "r", **options: Any) -> Any:
        nonlocal arrays
        arrays += mode == "w"
        if arrays == count:
            archive.fp.flush()
            die()
        return opened(archive, name, mode, **options)

    zipfile.ZipFile.open = open_and_die  # type: ignore[method-assign]


def digest(arrays: dict[str, Any]) -> str:
    hashed = hashlib.sha256()
    for name in sorted(arrays):
        hashed.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        hashed.update(np.ascontiguousarray(arrays[name]).tobytes())
    return hashed.hexdigest()


def train(out: Path, steps: int, how: str) -> None:
    make_deterministic()
    whole = Corpus.read([DataFile.parse(str(BUILT_IN))], [], 32)
    corpus = Corpus([(whole.groups[0][0][:24], 1.0)], [])
    job = Job(out, corpus, TrainOptions(steps=steps, **OPTIONS))
    job.resume()
    kind, _, count = how.partition(":")
    if kind == "step":
        die_at_step(job, int(count))
    if kind == "write":
        die_in_writing(int(count))
    job.run()
    following = next(job.batches.epoch(job.state["epoch"], job.state["position"]))
    following_digest = digest({**following.inputs(), "weights": following.weights})
    (out / "following_batch").write_text(following_digest)


def digests(out: Path) -> dict[str, str]:
    if not (out / FILE_NAME).exists():
        return {}
    with np.load(out / FILE_NAME) as arrays:
        return {
            group: digest({k: arrays[k] for k in arrays.files if k.startswith(group)})
            for group in ("model", "optimizer", "average")
        }


def run_apart(out: Path, steps: int, how: str) -> dict[str, Any]:
    child = os.fork()
    if not child:
        try:
            train(out, steps, how)
        except BaseException:  # noqa: BLE001  # the child must not go on as its parent
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    files = sorted(path.name for path in out.iterdir())
    return {"exit": os.waitstatus_to_exitcode(status), "files": files, **digests(out)}


def main(steps: str, *runs: str) -> None:
    for out, how in (run.split("=") for run in runs):
        sys.stdout.write(json.dumps(run_apart(Path(out), int(steps), how)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
