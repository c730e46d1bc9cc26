"""What bfloat16 changes in summaries: `python -m model.evaluate_precision`.

The exported graph writes about every text twice, with its encoder in float32 and in bfloat16, and
says its numbers of the first summary in both. It takes a processor that has bfloat16, or hours.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.artifact import ARTIFACTS, COMPUTE_IN, latest_version
from model.evaluate import by_origin
from model.evaluation.rouge import Scores, rouge
from model.explanation.scorer import Floats
from model.explanation.scorer import Scores as Numbers
from model.exporting.exported import ExportedModel
from model.readers import Example
from model.scoring.exported_scorer import ExportedScorer

_HEAD = """\
| set | texts | float32 R-1 / R-2 / R-L | bfloat16 | same summary \
| attention, largest difference | log-probability |
| --- | --- | --- | --- | --- | --- | --- |"""


@dataclass(frozen=True)
class Compared:
    """One set: ROUGE-1, -2 and -L of each text in float32 and in bfloat16, and what differs."""

    origin: str
    exact: Scores
    other: Scores
    same: float  # share of the texts with the same summary
    attention: float  # the largest difference of a weight, of the summaries in float32
    log_prob: float  # the largest difference of a token's log-probability, in nats


def compare(model: ExportedModel, examples: Sequence[Example]) -> Compared:
    """Summarizes one set in both.

    Raises:
        ValueError: the artifact has no bfloat16.
    """
    limit = model.manifest.max_source_tokens
    sources = [model.tokenizer.encode(example.text, limit).ids for example in examples]
    known, default = model.manifest.styles, model.manifest.default_style
    styles = [example.style if example.style in known else default for example in examples]
    summaries, numbers = [], []
    for precision in COMPUTE_IN:  # float32 first
        model.compute_in(precision)
        asked = zip(sources, styles, strict=True)
        summaries.append([model.summary_ids(source, style) for source, style in asked])
        told = zip(sources, styles, summaries[0], strict=True)
        numbers.append([_numbers(model, *each) for each in told])
    references = [example.summary for example in examples]
    exact, other = ([_text(model, ids) for ids in found] for found in summaries)
    model.compute_in(next(iter(COMPUTE_IN)))
    return Compared(
        origin=examples[0].origin,
        exact=rouge(exact, references),
        other=rouge(other, references),
        same=float(np.mean([a == b for a, b in zip(exact, other, strict=True)])),
        attention=_largest(*([n.attention_weights for n in found] for found in numbers)),
        log_prob=_largest(*([n.log_probs for n in found] for found in numbers)),
    )


def _numbers(
    model: ExportedModel, source_ids: list[int], style: str, summary_ids: list[int]
) -> Numbers:
    source = np.array(source_ids, np.int32)
    whole = np.ones((1, len(source)), np.bool_)
    return ExportedScorer(model, style).score(source, whole, np.array(summary_ids, np.int32))


def _text(model: ExportedModel, ids: Sequence[int]) -> str:
    return model.tokenizer.decode([i for i in ids if i != model.tokenizer.eos_id]).text


def _largest(some: Sequence[Floats], others: Sequence[Floats]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(some, others, strict=True))


def table(rows: Sequence[Compared]) -> str:
    """Markdown."""
    lines = (
        f"| {row.origin} | {len(row.exact)} | {_mean(row.exact)} | {_mean(row.other)} "
        f"| {100 * row.same:.1f} % | {row.attention:.3f} | {row.log_prob:.2f} |"
        for row in rows
    )
    return "\n".join((_HEAD, *lines))


def _mean(scores: Scores) -> str:
    return " / ".join(f"{mean:.2f}" for mean in scores.mean(axis=0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m model.evaluate_precision", description=__doc__)
    parser.add_argument("--data", nargs="+", required=True, help="as in model.train; no bad rows")
    parser.add_argument("--artifact", type=Path, help="default: the newest shipped version")
    parser.add_argument("--limit", type=int, help="documents of each set, for a quick look")
    given = parser.parse_args(arguments)
    model = ExportedModel(given.artifact or latest_version(ARTIFACTS))
    sets = by_origin(given.data, given.limit)
    try:
        print(table([compare(model, examples) for examples in sets.values()]))
    except ValueError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
