"""Whether it pays to read long texts whole: `python -m model.evaluate_length`.

The longest third of each data set is summarized twice: read as far as the model reads, and cut.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from model.artifact import ARTIFACTS, latest_version
from model.evaluate import by_origin
from model.evaluation.rouge import Scores, paired_interval, rouge
from model.exporting.exported import ExportedModel
from model.readers import Example
from model.tokenizer import Tokenizer


@dataclass(frozen=True)
class Read:
    """The longest third of one set: ROUGE-1, -2 and -L of each text, read whole and cut."""

    origin: str
    shortest: int  # tokens of the shortest of them
    whole: Scores
    cut: Scores


def longest_third(
    examples: Sequence[Example], tokenizer: Tokenizer, limit: int
) -> tuple[list[Example], int]:
    """Them, and how many tokens, of which a model reads `limit`, the shortest of them has."""
    lengths = np.array([len(tokenizer.encode(e.text, limit).ids) for e in examples])
    kept = lengths >= np.quantile(lengths, 2 / 3)
    longest = [e for e, is_long in zip(examples, kept, strict=True) if is_long]
    return longest, int(lengths[kept].min())


def read_both(model: ExportedModel, examples: Sequence[Example], cut: int) -> Read:
    """Summarizes the longest of one set twice."""
    manifest = model.manifest
    examples, shortest = longest_third(examples, model.tokenizer, manifest.max_source_tokens)
    found = []
    for limit in (manifest.max_source_tokens, cut):
        model.manifest = replace(manifest, max_source_tokens=limit)
        written = model.summarize([e.text for e in examples], [e.style for e in examples])
        found.append(rouge([w.text for w in written], [e.summary for e in examples]))
    model.manifest = manifest
    return Read(examples[0].origin, shortest, *found)


def table(rows: Sequence[Read], limit: int, cut: int) -> str:
    """Markdown, with the 95 % interval of the difference of ROUGE-1."""
    lines = [
        f"| set | tokens, from | texts | {limit:,} tokens | {cut:,} tokens | difference |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        low, high = paired_interval(row.whole, row.cut)
        difference = (row.whole - row.cut).mean(axis=0)
        lines.append(
            f"| {row.origin} | {row.shortest:,} | {len(row.whole)} | {_mean(row.whole)} "
            f"| {_mean(row.cut)} | {difference[0]:+.1f} ({low[0]:+.1f} to {high[0]:+.1f}) |"
        )
    return "\n".join(lines)


def _mean(scores: Scores) -> str:
    return " / ".join(f"{mean:.1f}" for mean in scores.mean(axis=0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m model.evaluate_length", description=__doc__)
    parser.add_argument("--data", nargs="+", required=True, help="as in model.train; no bad rows")
    parser.add_argument("--artifact", type=Path, help="default: the newest shipped version")
    parser.add_argument("--cut", type=int, default=256, help="tokens; default 256")
    parser.add_argument("--limit", type=int, help="documents of each set, for a quick look")
    given = parser.parse_args(arguments)
    model = ExportedModel(given.artifact or latest_version(ARTIFACTS))
    sets = by_origin(given.data, given.limit)
    rows = [read_both(model, examples, given.cut) for examples in sets.values()]
    print(table(rows, model.manifest.max_source_tokens, given.cut))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
