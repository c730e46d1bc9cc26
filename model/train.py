"""The training job: `python -m model.train --data FILE[=WEIGHT] … --out DIRECTORY`.

Killed at any moment, it goes on from its last checkpoint when it is started again. At the end it
exports an artifact to DIRECTORY/artifacts, which the service serves with
SUMMARIZER_ARTIFACT=DIRECTORY/artifacts.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras

from model.artifact import ArtifactError, read_manifest
from model.data import BatchOptions
from model.exporting.golden import LEAD, GoldenError
from model.readers import DataError, DataFile
from model.training.checkpoint import FILE_NAME as CHECKPOINT
from model.training.checkpoint import CheckpointError
from model.training.corpus import Corpus
from model.training.determinism import DeterminismError, make_deterministic
from model.training.job import Job, TrainOptions, take_tokenizer
from model.training.precision import encoder_dtype
from model.training.progress import report

BUILT_IN = Path(__file__).with_name("builtin_corpus.jsonl")
"""Invented pairs for a quick start: `--data builtin`."""

ADDRESSES = (
    "JSONL, CSV, Parquet, hf:OWNER/NAME[:SPLIT][?text=COLUMN&summary=COLUMN], imdb:DIRECTORY"
)

MAX_BAD_ROWS = 0.01
"""A few blank summaries should not cost a night, and a wrong format breaks far more rows."""


RATES = {"dropout", "label_smoothing", "ema_decay", "word_dropout", "merge_dropout"}
"""Options that are shares below 1."""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m model.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", nargs="+", required=True, help=f"{ADDRESSES}; `builtin`; =WEIGHT is optional")
    add("--validation", nargs="*", default=[], help=f"{ADDRESSES}; default: a part of the data")
    add("--max-bad-rows", type=share, default=MAX_BAD_ROWS, help="left out, share of each file")
    add("--out", type=Path, required=True, help="checkpoint, tokenizer and artifact go here")
    add("--artifacts", type=Path, help="where to publish; default: OUT/artifacts")
    add("--init-from", type=Path, help="an artifact whose weights and tokenizer are the start")
    add("--precision", default="auto", choices=["auto", "float32", "bfloat16"])
    add("--provenance", type=Path, help="JSON: file name to source and rights, for the manifest")
    add("--default-style", help="default: the commonest of the first file")
    add("--golden-lead", type=float, default=LEAD, help="nats; less only for toy networks")
    add("--deterministic", action="store_true", help="the same bits in every run; one thread")
    add("--tensorboard", action="store_true", help="scalars for TensorBoard in OUT/tensorboard")
    defaults = TrainOptions()
    add("--optimizer", choices=["adamw", "muon"], default=defaults.optimizer)
    for key, value in {**asdict(defaults), **asdict(defaults.batches)}.items():
        if isinstance(value, int | float):
            kind = rate if key in RATES else type(value)
            add("--" + key.replace("_", "-"), type=kind, default=value)
    return parser.parse_args(arguments)


def share(argument: str) -> float:
    """A number from 0 to 1.

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    try:
        number = float(argument)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"must be a share from 0 to 1, got {argument!r}")
    return number


def rate(argument: str) -> float:
    """A number from 0 to below 1.

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    number = share(argument)
    if number == 1:
        raise argparse.ArgumentTypeError(f"must be below 1, got {argument!r}")
    return number


def options_of(given: dict[str, Any]) -> TrainOptions:
    """The command line's numbers as options."""
    batches = BatchOptions(**{key: given[key] for key in asdict(BatchOptions())})
    names = asdict(TrainOptions()).keys() - {"batches", "encoder_dtype"}
    return TrainOptions(
        **{key: given[key] for key in names},
        encoder_dtype=encoder_dtype(given["precision"]),
        batches=batches,
    )


def data_files(arguments: Sequence[str]) -> list[DataFile]:
    """Addresses and weights, `builtin` replaced by its path."""
    files = [DataFile.parse(argument) for argument in arguments]
    return [
        replace(file, address=str(BUILT_IN)) if file.address == "builtin" else file
        for file in files
    ]


def run(given: dict[str, Any]) -> Path | None:
    """Trains and exports; returns the new artifact.

    Where Keras runs on another backend there is none: OUT holds the checkpoint, from which the
    same command exports under TensorFlow.
    """
    if given["deterministic"]:
        make_deterministic()
    options, files = options_of(given), data_files(given["data"])
    start = given["init_from"]
    if start:
        read_manifest(start)
    corpus = Corpus.read(
        files, given["validation"], options.batches.max_source_tokens, given["max_bad_rows"]
    )
    if start and not (given["out"] / CHECKPOINT).exists():
        take_tokenizer(start, given["out"])
    job = Job(given["out"], corpus, options, given["tensorboard"])
    if not job.resume() and start:
        from model.export import load_weights

        load_weights(start, job.model)
    job.run()
    return publish(job, files, given) if keras.backend.backend() == "tensorflow" else None


class PublishError(RuntimeError):
    """The trained network was not exported; the checkpoint has it."""


def publish(job: Job, files: Sequence[DataFile], given: dict[str, Any]) -> Path:
    """Exports the job's network with the provenance of its weights."""
    from model.export import ExportOptions, export
    from model.exporting.verification import ExportError

    batches = job.options.batches
    options = ExportOptions(
        default_style=given["default_style"] or _commonest_style(job.corpus),
        max_source_tokens=batches.max_source_tokens,
        golden_lead=given["golden_lead"],
    )
    known = _provenance(given["provenance"])
    training = {
        "data": [
            {"file": file.name, "weight": file.weight, "sha256": file.sha256()}
            | known.get(file.name, {})
            for file in files
        ],
        "init_from": str(given["init_from"].name) if given["init_from"] else None,
        "progress": {key: job.state[key] for key in _PROGRESS if key in job.state},
        "options": asdict(job.options),
    }
    root = given["artifacts"] or given["out"] / "artifacts"
    try:
        return export(root, job.exportable(), job.tokenizer, options, training, job.history.rows())
    except ExportError as error:
        raise PublishError(str(error)) from error


def _commonest_style(corpus: Corpus) -> str:
    examples, _ = corpus.groups[0]
    return Counter(example.style for example in examples).most_common(1)[0][0]


def _provenance(path: Path | None) -> dict[str, dict[str, str]]:
    """`source` and `rights` by file name, for the manifest and the model card."""
    if path is None:
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a JSON object by file name: {error}") from error


_PROGRESS = ("step", "epoch", "position", "seconds", "best")
_MENDABLE = (
    DataError,
    CheckpointError,
    DeterminismError,
    GoldenError,
    ArtifactError,
    PublishError,
    FloatingPointError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a job from the command line; errors a user can mend end in one line and exit code 1."""
    given = vars(parse_arguments(arguments))
    try:
        directory = run(given)
    except _MENDABLE as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        # A disk that is full or may not be written, wherever that shows first.
        place = error.filename or given["out"]
        print(f"error: {place}: {error.strerror or error}", file=sys.stderr)
        return 1
    if directory:
        report(f"exported {directory}")
    else:
        report(f"trained {given['out']}; the same command under TensorFlow exports it")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
