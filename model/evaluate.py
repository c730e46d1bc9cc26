"""ROUGE of an artifact beside its lead baselines, by data set: `python -m model.evaluate`.

It asks the exported SavedModel, with the manifest's defaults: what is measured is what is served.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.artifact import SUMMARIZE, TOKENIZER, latest_version, read_manifest
from model.baselines import best_leads, share_beginning
from model.card import write_card
from model.data import Example, padded, read_examples
from model.rouge import METRICS, paired_interval, rouge
from model.tokenizer import PAD_ID, Tokenizer

ARTIFACTS = Path("artifacts/summarizer")
BATCH = 16


@dataclass(frozen=True)
class SetResult:
    """One data set: means from 0 to 100 in the order ROUGE-1, -2, -L."""

    origin: str
    documents: int
    model: list[float]
    lead: list[float]
    lead_names: list[str]
    difference_low: list[float]
    difference_high: list[float]
    begins_text: float
    milliseconds: float


class ArtifactSummarizer:
    """Summarizes with an exported SavedModel, without the service."""

    def __init__(self, directory: Path, num_beams: int | None = None) -> None:
        import tensorflow as tf  # loaded here: the command line answers --help without it

        self.manifest = read_manifest(directory)
        self.tokenizer = Tokenizer.load(directory / TOKENIZER)
        self.num_beams = num_beams or self.manifest.default_num_beams
        self._loaded = tf.saved_model.load(str(directory / "saved_model"))
        self._summarize = self._loaded.signatures[SUMMARIZE]
        self._constant = tf.constant

    def summarize(self, texts: Sequence[str], styles: Sequence[str]) -> list[str]:
        """The summaries, in the order of the texts."""
        manifest = self.manifest
        limit = manifest.max_source_tokens
        sources = [self.tokenizer.encode(text, limit).ids for text in texts]
        summaries = [""] * len(texts)
        order = sorted(range(len(texts)), key=lambda i: len(sources[i]))
        for chunk in _chunks(order, BATCH):
            source_ids = padded([sources[i] for i in chunk], len(sources[chunk[-1]]))
            style_ids = [
                _style_id(manifest.styles, styles[i], manifest.default_style) for i in chunk
            ]
            ids = self._ids(source_ids, np.array(style_ids, np.int32))
            for i, row in zip(chunk, ids, strict=True):
                kept = [int(t) for t in row if t not in (PAD_ID, self.tokenizer.eos_id)]
                summaries[i] = self.tokenizer.decode(kept).text
        return summaries

    def _ids(self, source_ids: Any, style_ids: Any) -> Any:
        manifest, batch = self.manifest, len(source_ids)
        found = self._summarize(
            source_ids=self._constant(source_ids),
            source_keep_mask=self._constant(source_ids > 0),
            style_ids=self._constant(style_ids),
            max_new_tokens=self._constant([manifest.default_max_new_tokens] * batch),
            min_new_tokens=self._constant([manifest.default_min_new_tokens] * batch),
            length_penalty=self._constant([manifest.default_length_penalty] * batch),
            num_beams=self._constant(self.num_beams),
        )
        return found["summary_ids"].numpy()


def _chunks(order: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for first in range(0, len(order), size):
        yield order[first : first + size]


def _style_id(styles: Sequence[str], style: str, default: str) -> int:
    return styles.index(style if style in styles else default)


def evaluate(summarizer: ArtifactSummarizer, examples: Sequence[Example]) -> SetResult:
    """Compares one data set's summaries and best leads with its references."""
    texts = [example.text for example in examples]
    references = [example.summary for example in examples]
    began = time.perf_counter()
    summaries = summarizer.summarize(texts, [example.style for example in examples])
    milliseconds = 1000 * (time.perf_counter() - began) / len(texts)
    ours = rouge(summaries, references)
    best = best_leads(texts, references)
    lead = np.stack([scores[:, i] for i, (_, scores) in enumerate(best)], axis=1)
    low, high = paired_interval(ours, lead)
    return SetResult(
        origin=examples[0].origin,
        documents=len(examples),
        model=ours.mean(axis=0).tolist(),
        lead=lead.mean(axis=0).tolist(),
        lead_names=[name for name, _ in best],
        difference_low=low.tolist(),
        difference_high=high.tolist(),
        begins_text=share_beginning(summaries, texts),
        milliseconds=milliseconds,
    )


def table(results: Sequence[SetResult]) -> str:
    """A Markdown table of the results."""
    lines = [
        "| set | documents | model R-1 / R-2 / R-L | best lead R-1 / R-2 / R-L "
        "| model minus lead, 95 % intervals | begins its text |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for r in results:
        intervals = ", ".join(
            f"{low:+.1f} to {high:+.1f}"
            for low, high in zip(r.difference_low, r.difference_high, strict=True)
        )
        lines.append(
            f"| {r.origin} | {r.documents} | {_triple(r.model)} | {_triple(r.lead)} "
            f"| {intervals} | {100 * r.begins_text:.1f} % |"
        )
    return "\n".join(lines)


def _triple(numbers: Sequence[float]) -> str:
    return " / ".join(f"{number:.1f}" for number in numbers)


def by_origin(paths: Sequence[Path], limit: int | None) -> dict[str, list[Example]]:
    """Examples of all files, by data set, the first `limit` of each."""
    groups: dict[str, list[Example]] = {}
    for path in paths:
        for example in read_examples(path):
            groups.setdefault(example.origin, []).append(example)
    return {origin: examples[:limit] for origin, examples in sorted(groups.items())}


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table, and writes it where the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m model.evaluate", description=__doc__)
    parser.add_argument("--data", nargs="+", type=Path, required=True, help="JSONL, gzipped or not")
    parser.add_argument("--artifact", type=Path, help="default: the newest shipped version")
    parser.add_argument("--limit", type=int, help="documents of each set, for a quick look")
    parser.add_argument("--num-beams", type=int)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--write-card", action="store_true", help="put them into the model card")
    given = parser.parse_args(arguments)
    directory = given.artifact or latest_version(ARTIFACTS)
    summarizer = ArtifactSummarizer(directory, given.num_beams)
    results = []
    for origin, examples in by_origin(given.data, given.limit).items():
        results.append(evaluate(summarizer, examples))
        print(f"{origin}: {results[-1].milliseconds:.0f} ms a document", file=sys.stderr)
    manifest = summarizer.manifest
    print(
        f"{manifest.name} {manifest.version} ({manifest.model_sha256[:12]}), {platform.machine()},"
    )
    print(f"beams {summarizer.num_beams}; rouge-score F1, stemmed; {', '.join(METRICS)}\n")
    print(table(results))
    if given.json:
        given.json.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")
    if given.write_card:
        write_card(directory, table(results))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
