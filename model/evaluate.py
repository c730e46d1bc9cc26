"""ROUGE and support of an artifact's summaries, by data set: `python -m model.evaluate`.

ROUGE stands beside that of lead baselines; unsupported words and escalation beside the references'.

It asks the exported SavedModel, with the manifest's defaults: what is measured is what is served.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.artifact import ARTIFACTS, latest_version
from model.evaluation.baselines import best_leads, share_beginning
from model.evaluation.confidence import curve_table, no_better_than, risk_coverage
from model.evaluation.rouge import METRICS, paired_interval, rouge
from model.evaluation.support_rates import Rate, SupportMeasure, SupportRates, support_table
from model.evaluation.training_names import names_from_training, surnames
from model.exporting.card import write_card
from model.exporting.exported import ExportedModel
from model.readers import Example, read_examples

CARD_TEXTS = Path(__file__).with_name("card_texts.jsonl")
"""Texts of ours whose summaries the card shows, whatever they turn out to be."""


@dataclass(frozen=True)
class SetResult:
    """One data set: means from 0 to 100 in the order ROUGE-1, -2, -L.

    `confidence` (mean log-probability a token), `rouge_l` and `lead_rouge_l` hold every document.
    `training_names` counts summaries with a surname that is in the training headlines and not in
    the text; it is None where no training files were given.
    """

    origin: str
    documents: int
    model: list[float]
    lead: list[float]
    lead_names: list[str]
    difference_low: list[float]
    difference_high: list[float]
    begins_text: float
    milliseconds: float
    confidence: list[float]
    rouge_l: list[float]
    lead_rouge_l: list[float]
    support: SupportRates
    reference_support: SupportRates
    training_names: Rate | None


def evaluate(
    summarizer: ExportedModel,
    examples: Sequence[Example],
    measure: SupportMeasure,
    training_surnames: frozenset[str] | None = None,
) -> SetResult:
    """Compares one data set's summaries and best leads with its references and its texts."""
    texts = [example.text for example in examples]
    references = [example.summary for example in examples]
    began = time.perf_counter()
    written = summarizer.summarize(texts, [example.style for example in examples])
    summaries = [summary.text for summary in written]
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
        confidence=[summary.log_prob for summary in written],
        rouge_l=ours[:, 2].tolist(),
        lead_rouge_l=lead[:, 2].tolist(),
        support=measure.summaries(summaries, texts),
        reference_support=measure.references(references, texts),
        training_names=None
        if training_surnames is None
        else Rate.of(len(names_from_training(summaries, texts, training_surnames)), len(texts)),
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


def low_confidence(results: Sequence[SetResult]) -> float | None:
    """The mean log-probability below which the summaries of all sets together lose to the lead."""
    return no_better_than(*_pooled(results))


def confidence_report(results: Sequence[SetResult]) -> str:
    """The risk-coverage curve of all sets together."""
    confidence, quality, lead = _pooled(results)
    threshold = no_better_than(confidence, quality, lead)
    flagged = [threshold is not None and value < threshold for value in confidence.tolist()]
    return curve_table(risk_coverage(confidence, quality), flagged, threshold)


def _pooled(results: Sequence[SetResult]) -> list[NDArray[np.float64]]:
    names = ("confidence", "rouge_l", "lead_rouge_l")
    return [np.concatenate([getattr(r, name) for r in results]) for name in names]


def support_report(results: Sequence[SetResult]) -> str:
    """A Markdown table of support, and a line on names out of the training data."""
    rows = []
    for r in results:
        rows += [(r.origin, "model", r.support), (r.origin, "references", r.reference_support)]
    lines = [
        f"{r.origin}: summaries with a surname of the training headlines that the text does not "
        f"have: {r.training_names.found} of {r.training_names.total}"
        for r in results
        if r.training_names is not None
    ]
    return "\n".join([support_table(rows), *([""] if lines else []), *lines])


def samples(summarizer: ExportedModel) -> str:
    """Markdown: what the model makes of the texts of the card, all of them."""
    examples = [json.loads(line) for line in CARD_TEXTS.read_text("utf-8").splitlines()]
    texts = [example["text"] for example in examples]
    written = summarizer.summarize(texts, [example["style"] for example in examples])
    lines = [
        f"- {example['text']}\n  - {example['style']}: **{summary.text}**"
        for example, summary in zip(examples, written, strict=True)
    ]
    return "\n".join(lines)


def _triple(numbers: Sequence[float]) -> str:
    return " / ".join(f"{number:.1f}" for number in numbers)


def by_origin(paths: Sequence[str | Path], limit: int | None) -> dict[str, list[Example]]:
    """Examples of all files, by data set, the first `limit` of each."""
    groups: dict[str, list[Example]] = {}
    for path in paths:
        for example in read_examples(path):
            groups.setdefault(example.origin, []).append(example)
    return {origin: examples[:limit] for origin, examples in sorted(groups.items())}


def command_line() -> argparse.ArgumentParser:
    """What may be asked for."""
    parser = argparse.ArgumentParser(prog="python -m model.evaluate", description=__doc__)
    parser.add_argument("--data", nargs="+", required=True, help="as in model.train; no bad rows")
    parser.add_argument("--artifact", type=Path, help="default: the newest shipped version")
    parser.add_argument("--limit", type=int, help="documents of each set, for a quick look")
    parser.add_argument("--num-beams", type=int)
    parser.add_argument(
        "--support", choices=["strict", "loose"], help="default: as each style's default is"
    )
    parser.add_argument(
        "--loose-styles", nargs="*", help="whose default is loose; the manifest's, if left out"
    )
    parser.add_argument("--training", nargs="+", default=[], help="look for names out of these")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument(
        "--write-card", action="store_true", help="put them into the card and the manifest"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table, and writes it where the arguments say."""
    parser = command_line()
    given = parser.parse_args(arguments)
    directory = given.artifact or latest_version(ARTIFACTS)
    strict = None if given.support is None else given.support == "strict"
    summarizer = ExportedModel(directory, num_beams=given.num_beams, strict=strict)
    if given.loose_styles is not None:
        if unknown := sorted({*given.loose_styles} - {*summarizer.manifest.styles}):
            parser.error(f"--loose-styles: {directory} has no style {', '.join(unknown)}")
        summarizer.manifest = replace(summarizer.manifest, loose_styles=tuple(given.loose_styles))
    groups = by_origin(given.data, given.limit)
    measure = SupportMeasure(e.text for examples in groups.values() for e in examples)
    headlines = [e.summary for path in given.training for e in read_examples(path)]
    training_surnames = surnames(headlines, measure.usual_case) if given.training else None
    results = []
    for origin, examples in groups.items():
        results.append(evaluate(summarizer, examples, measure, training_surnames))
        print(f"{origin}: {results[-1].milliseconds:.0f} ms a document", file=sys.stderr)
    print(_heading(summarizer, given.support) + "\n")
    report = "\n\n".join([table(results), support_report(results), confidence_report(results)])
    print(report)
    if given.json:
        given.json.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")
    if given.write_card:
        found = report, samples(summarizer), low_confidence(results)
        write_card(directory, *found, given.loose_styles)
    return 0


def _heading(summarizer: ExportedModel, support: str | None) -> str:
    """Whose figures the table has, and how its summaries are written."""
    manifest = summarizer.manifest
    model = f"{manifest.name} {manifest.version} ({manifest.model_sha256[:12]})"
    kind = support or f"default support (loose: {', '.join(manifest.loose_styles) or '-'})"
    return (
        f"{model}, {platform.machine()},\nbeams {summarizer.num_beams}, {kind}; "
        f"rouge-score F1, stemmed; {', '.join(METRICS)}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
