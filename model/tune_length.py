"""How much each style's search should reward length: `python -m model.tune_length`.

Every penalty of a grid is tried on given pairs, which should be none that quality is reported on;
the best by the mean of ROUGE-1, -2 and -L becomes the style's default.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from model.artifact import ARTIFACTS, latest_version, read_manifest, write_manifest
from model.evaluation.rouge import rouge
from model.exporting.exported import ExportedModel
from model.readers import Example, read_examples

GRID = (0.6, 1.0, 1.4, 1.8, 2.2, 2.6, 3.0)


@dataclass(frozen=True)
class Tried:
    """One style with one penalty: mean ROUGE-1, -2, -L from 0 to 100, and words a summary."""

    style: str
    penalty: float
    rouge: list[float]
    words: float
    reference_words: float


def sweep(model: ExportedModel, examples: Sequence[Example], grid: Sequence[float]) -> list[Tried]:
    """Every penalty on the examples of one style."""
    style, references = examples[0].style, [example.summary for example in examples]
    found = []
    for penalty in grid:
        model.length_penalty = penalty
        written = model.summarize([e.text for e in examples], [e.style for e in examples])
        summaries = [summary.text for summary in written]
        scores = rouge(summaries, references).mean(axis=0).tolist()
        found.append(Tried(style, penalty, scores, _words(summaries), _words(references)))
    return found


def best(tried: Sequence[Tried]) -> dict[str, float]:
    """The penalty of each style with the best mean ROUGE."""
    styles = dict.fromkeys(t.style for t in tried)
    ours = {style: [t for t in tried if t.style == style] for style in styles}
    return {
        style: max(rows, key=lambda t: float(np.mean(t.rouge))).penalty
        for style, rows in ours.items()
    }


def table(tried: Sequence[Tried]) -> str:
    """A Markdown table, the best of each style in bold."""
    chosen = best(tried)
    lines = [
        "| style | penalty | R-1 / R-2 / R-L | words | words of the references |",
        "| --- | --- | --- | --- | --- |",
    ]
    for t in tried:
        mark = "**" if chosen[t.style] == t.penalty else ""
        scores = " / ".join(f"{score:.1f}" for score in t.rouge)
        lines.append(
            f"| {t.style} | {mark}{t.penalty}{mark} | {scores} | {t.words:.1f} "
            f"| {t.reference_words:.1f} |"
        )
    return "\n".join(lines)


def write(directory: Path, penalties: dict[str, float]) -> None:
    """Makes penalties the defaults of an artifact and seals it again."""
    manifest = read_manifest(directory)
    merged = {**manifest.length_penalties, **penalties}
    write_manifest(directory, replace(manifest, length_penalties=merged))


def spread(examples: Sequence[Example], limit: int) -> Sequence[Example]:
    """At most `limit` of them, from all over."""
    return examples[:: max(1, math.ceil(len(examples) / limit))]


def _words(texts: Sequence[str]) -> float:
    return float(np.mean([len(text.split()) for text in texts]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table, and writes the best penalties into the manifest if asked to."""
    parser = argparse.ArgumentParser(prog="python -m model.tune_length", description=__doc__)
    parser.add_argument("--data", nargs="+", required=True, help="as in model.train; no bad rows")
    parser.add_argument("--artifact", type=Path, help="default: the newest shipped version")
    parser.add_argument("--limit", type=int, default=200, help="documents of each style")
    parser.add_argument("--write", action="store_true", help="into the manifest")
    given = parser.parse_args(arguments)
    directory = given.artifact or latest_version(ARTIFACTS)
    model = ExportedModel(directory)
    groups: dict[str, list[Example]] = {}
    for path in given.data:
        for example in read_examples(path):
            groups.setdefault(example.style, []).append(example)
    tried = []
    for style in sorted(groups.keys() & set(model.manifest.styles)):
        examples = groups[style]
        tried += sweep(model, spread(examples, given.limit), GRID)
    print(table(tried))
    if given.write:
        write(directory, best(tried))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
