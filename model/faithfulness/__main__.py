"""How faithful an artifact's explanations are: `python -m model.faithfulness`.

Every method is held against orders of words that know nothing of the model. It asks the exported
SavedModel: what is measured is what is served.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.artifact import ARTIFACTS, latest_version
from model.explanation.tables import tables
from model.exporting.card import kinds_of_text
from model.exporting.exported import ExportedModel
from model.faithfulness.finish import finished, write_report
from model.faithfulness.models import Model, exported_model, network_model
from model.faithfulness.study import Plan, report_of
from model.faithfulness.texts import (
    LONGEST,
    choose,
    read_summaries,
    save_summaries,
    write_summaries,
)
from model.training.checkpoint import CheckpointError

THREADS = min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
"""Documents at a time. Each takes some hundred megabytes."""


def command_line() -> argparse.ArgumentParser:
    """What may be asked for."""
    parser = argparse.ArgumentParser(prog="python -m model.faithfulness", description=__doc__)
    parser.add_argument("--data", nargs="+", help="texts not trained on")
    parser.add_argument("--documents", type=int, default=200, help="drawn at random; default 200")
    parser.add_argument(
        "--longest", type=int, default=LONGEST, help=f"tokens of a text; default {LONGEST}"
    )
    parser.add_argument("--artifact", type=Path, help="default: the newest shipped version")
    parser.add_argument("--weights", type=Path, help="a checkpoint's .npz, not an artifact")
    parser.add_argument("--tokenizer", type=Path, help="with --weights: its tokenizer.json")
    parser.add_argument("--config", type=Path, help="with --weights: sizes that they don't show")
    parser.add_argument("--summaries", type=Path, help="written before by --write-summaries")
    parser.add_argument("--write-summaries", type=Path, help="write them there, measure nothing")
    parser.add_argument("--finish", type=Path, help="a report of --weights that are now exported")
    parser.add_argument(
        "--threads",
        type=int,
        default=THREADS,
        help=f"documents at a time; default: one a processor, here {THREADS}",
    )
    parser.add_argument(
        "--minutes", type=float, help="begin no further document then; the report is of those done"
    )
    parser.add_argument("--partial", type=Path, help="keep what is done there, and go on from it")
    parser.add_argument("--out", type=Path, default=Path("faithfulness.json"))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the tables and writes `faithfulness.json`, and its curves beside it as SVG."""
    parser = command_line()
    given = parser.parse_args(arguments)
    if (given.data is None) == (given.finish is None):
        parser.error("give either --data or --finish")
    if (given.weights is None) != (given.tokenizer is None):
        parser.error("--weights and --tokenizer belong together")
    try:
        report = asked_report(given)
    except (ValueError, CheckpointError) as error:
        parser.error(str(error))
    if report is not None:
        write_report(given.out, report)
        print(f"texts: {kinds_of_text(report)}\n\n{tables(report)}")
    return 0


def asked_report(given: argparse.Namespace) -> dict[str, Any] | None:
    """What the command line asks for; none where it is only summaries.

    Raises:
        ValueError: there are too few texts, or weights and files don't belong together.
    """
    if given.weights:
        return studied(network_model(given.weights, given.tokenizer, given.config), given)
    directory = given.artifact or latest_version(ARTIFACTS)
    exported = ExportedModel(directory)
    report: dict[str, Any] | None
    if given.finish:
        report = json.loads(given.finish.read_text(encoding="utf-8"))
    else:
        report = studied(exported_model(exported), given)
    return report and finished(report, exported, directory)


def studied(model: Model, given: argparse.Namespace) -> dict[str, Any] | None:
    """The report of what was measured; none where only summaries were asked for.

    Raises:
        ValueError: there are too few texts, too little time, or files of another study.
    """
    examples = choose(given.data, given.documents, model.tokenizer, given.longest)
    if given.summaries:
        documents = read_summaries(given.summaries, model, examples)
    else:
        documents = write_summaries(model, examples)
    if given.write_summaries:
        save_summaries(given.write_summaries, examples, documents)
        return None
    plan = Plan(
        data=given.data,
        longest=given.longest,
        threads=given.threads,
        minutes=given.minutes,
        partial=given.partial,
    )
    return report_of(model, examples, documents, plan)


if __name__ == "__main__":
    raise SystemExit(main())
