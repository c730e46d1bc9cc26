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

from model.artifact import ArtifactError, read_manifest
from model.checkpoint import FILE_NAME as CHECKPOINT
from model.checkpoint import CheckpointError
from model.data import BatchOptions, DataError, DataFile
from model.golden import LEAD, GoldenError
from model.job import Corpus, Job, TrainOptions, take_tokenizer
from model.precision import encoder_dtype
from model.progress import report

BUILT_IN = Path(__file__).with_name("builtin_corpus.jsonl")
"""Invented pairs for a quick start: `--data builtin`."""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m model.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", nargs="+", required=True, help="JSONL files, or `builtin`; =WEIGHT is optional")
    add("--validation", nargs="*", type=Path, default=[], help="default: a part of the data")
    add("--out", type=Path, required=True, help="checkpoint, tokenizer and artifact go here")
    add("--artifacts", type=Path, help="where to publish; default: OUT/artifacts")
    add("--init-from", type=Path, help="an artifact whose weights and tokenizer are the start")
    add("--precision", default="auto", choices=["auto", "float32", "bfloat16"])
    add("--provenance", type=Path, help="JSON: file name to source and rights, for the manifest")
    add("--default-style", help="default: the commonest of the first file")
    add("--golden-lead", type=float, default=LEAD, help="nats; less only for toy networks")
    defaults = TrainOptions()
    add("--optimizer", choices=["adamw", "muon"], default=defaults.optimizer)
    for key, value in {**asdict(defaults), **asdict(defaults.batches)}.items():
        if isinstance(value, int | float):
            add("--" + key.replace("_", "-"), type=type(value), default=value)
    return parser.parse_args(arguments)


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
    """Files and weights, `builtin` replaced by its path."""
    files = [DataFile.parse(argument) for argument in arguments]
    return [
        replace(file, path=BUILT_IN) if file.path == Path("builtin") else file for file in files
    ]


def run(given: dict[str, Any]) -> Path:
    """Trains and exports; returns the new artifact."""
    options, files = options_of(given), data_files(given["data"])
    start = given["init_from"]
    if start:
        read_manifest(start)
    corpus = Corpus.read(files, given["validation"], options.batches.max_source_tokens)
    if start and not (given["out"] / CHECKPOINT).exists():
        take_tokenizer(start, given["out"])
    job = Job(given["out"], corpus, options)
    if not job.resume() and start:
        from model.export import load_weights

        load_weights(start, job.model)
    job.run()
    return publish(job, files, given)


def publish(job: Job, files: Sequence[DataFile], given: dict[str, Any]) -> Path:
    """Exports the job's network with the provenance of its weights."""
    from model.export import ExportOptions, export

    batches = job.options.batches
    options = ExportOptions(
        default_style=given["default_style"] or _commonest_style(job.corpus),
        max_source_tokens=batches.max_source_tokens,
        golden_lead=given["golden_lead"],
    )
    known = _provenance(given["provenance"])
    training = {
        "data": [
            {"file": file.path.name, "weight": file.weight, "sha256": file.sha256()}
            | known.get(file.path.name, {})
            for file in files
        ],
        "init_from": str(given["init_from"].name) if given["init_from"] else None,
        "progress": job.state,
        "options": asdict(job.options),
    }
    root = given["artifacts"] or given["out"] / "artifacts"
    return export(root, job.exportable(), job.tokenizer, options, training)


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


_MENDABLE = (DataError, CheckpointError, GoldenError, ArtifactError, FloatingPointError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a job from the command line; errors a user can mend end in one line and exit code 1."""
    try:
        directory = run(vars(parse_arguments(arguments)))
    except _MENDABLE as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    report(f"exported {directory}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
