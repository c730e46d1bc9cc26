"""Key sentences beside their baselines, by data set: `python -m model.evaluate_sentences`.

The first two sentences of each text are hidden. Every method picks three of the rest, and ROUGE
says how well they cover the hidden ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.artifact import (
    ARTIFACTS,
    SAVED_MODEL,
    SCORE_SENTENCES,
    SUMMARIZE,
    TOKENIZER,
    latest_version,
    read_manifest,
)
from model.evaluate import by_origin
from model.evaluation.rouge import Scores, paired_interval, rouge
from model.extractive import (
    DIVERSITY,
    SentenceScores,
    position_scores,
    random_scores,
    select,
    textrank,
)
from model.lead_oracle import CHOSEN, HIDDEN, lead_oracle
from model.scoring.sentence_scorers import (
    Arrays,
    CopyMassScorer,
    HeadScorer,
    Signature,
)
from model.sentences import split_sentences
from model.tokenizer import Span, Tokenizer

Scorer = Callable[[str, Sequence[Span]], SentenceScores]
"""A text and the spans of its N sentences -> (N,) scores, more is better."""

HEAD = "sentence head"
ORACLE = "oracle"


@dataclass(frozen=True)
class Method:
    """A way to choose sentences; `diversity` is that of `select`."""

    score: Scorer
    diversity: float = 0.0


@dataclass(frozen=True)
class HiddenLead:
    """A text without its first sentences, the spans of what is left, and what was hidden."""

    text: str
    spans: list[Span]
    hidden: list[str]

    @property
    def sentences(self) -> list[str]:
        """What can be chosen."""
        return [self.text[start:end] for start, end in self.spans]


@dataclass(frozen=True)
class MethodScores:
    """One method on one data set; `scores` has the columns of `model.evaluation.rouge.METRICS`."""

    name: str
    scores: Scores


def hide_lead(text: str) -> HiddenLead | None:
    """The text from its third sentence on; None if fewer than three are left."""
    spans = split_sentences(text)
    if len(spans) < HIDDEN + CHOSEN:
        return None
    first = spans[HIDDEN][0]
    left = [(start - first, end - first) for start, end in spans[HIDDEN:]]
    hidden = [text[start:end] for start, end in spans[:HIDDEN]]
    return HiddenLead(text[first:], left, hidden)


def baselines(diversity: float, seed: int) -> dict[str, Method]:
    """The methods that need no model."""
    rng = np.random.default_rng(seed)
    return {
        "random": Method(lambda _, spans: random_scores(len(spans), rng)),
        "next three": Method(lambda _, spans: position_scores(len(spans))),
        "TextRank": Method(_textrank, diversity),
    }


def _textrank(text: str, spans: Sequence[Span]) -> SentenceScores:
    return textrank([text[start:end] for start, end in spans])


def artifact_methods(directory: Path, diversity: float) -> dict[str, Method]:
    """What an artifact can be asked: copy mass, and the sentence head if it has one."""
    import tensorflow as tf  # loaded here: the command line answers --help without it

    manifest = read_manifest(directory)
    tokenizer = Tokenizer.load(directory / TOKENIZER)
    loaded = tf.saved_model.load(str(directory / SAVED_MODEL))

    def signature(name: str) -> Signature:
        function = loaded.signatures[name]
        # An artifact without a sentence head takes fewer inputs.
        taken = function.structured_input_signature[1].keys()

        def call(arrays: Arrays) -> Arrays:
            tensors = {key: tf.constant(arrays[key]) for key in taken}
            return {key: output.numpy() for key, output in function(**tensors).items()}

        return call

    copied = CopyMassScorer(tokenizer, manifest, signature(SUMMARIZE))
    methods = {"copy mass": Method(copied, diversity)}
    if SCORE_SENTENCES in loaded.signatures:
        head = HeadScorer(tokenizer, manifest.max_source_tokens, signature(SCORE_SENTENCES))
        methods[HEAD] = Method(head, diversity)
    return methods


def measure(texts: Sequence[HiddenLead], methods: Mapping[str, Method]) -> list[MethodScores]:
    """Every method, and last the labels themselves: the most that this choice could reach."""
    references = [" ".join(text.hidden) for text in texts]
    found = [
        MethodScores(name, rouge([_picked(text, method) for text in texts], references))
        for name, method in methods.items()
    ]
    return [*found, MethodScores(ORACLE, rouge([_labelled(text) for text in texts], references))]


def _picked(text: HiddenLead, method: Method) -> str:
    sentences = text.sentences
    chosen = select(method.score(text.text, text.spans), sentences, CHOSEN, method.diversity)
    return " ".join(sentences[key.index] for key in chosen)


def _labelled(text: HiddenLead) -> str:
    sentences = [*text.hidden, *text.sentences]
    return " ".join(sentences[index] for index in lead_oracle(sentences))


def best_baseline(results: Sequence[MethodScores]) -> tuple[list[str], NDArray[np.float64]]:
    """For each metric the baseline that is best on this set: names, and scores as columns."""
    rivals = [result for result in results if result.name not in (HEAD, ORACLE)]
    means = np.array([result.scores.mean(axis=0) for result in rivals])  # (methods, metrics)
    best = [rivals[index] for index in means.argmax(axis=0)]
    columns = [result.scores[:, metric] for metric, result in enumerate(best)]
    return [result.name for result in best], np.stack(columns, axis=1)


def table(results: Sequence[MethodScores]) -> str:
    """A Markdown table of one data set, and the head's lead over its best rival if there is one."""
    lines = ["| method | R-1 | R-2 |", "| --- | --- | --- |"]
    for result in results:
        one, two, _ = result.scores.mean(axis=0)
        lines.append(f"| {result.name} | {one:.1f} | {two:.1f} |")
    head = next((result for result in results if result.name == HEAD), None)
    if head:
        names, scores = best_baseline(results)
        low, high = paired_interval(head.scores, scores)
        lines.append("")
        for metric, column in (("R-1", 0), ("R-2", 1)):
            lines.append(
                f"{metric}: {HEAD} minus {names[column]}, 95 % interval "
                f"{low[column]:+.1f} to {high[column]:+.1f}"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table for each data set."""
    parser = argparse.ArgumentParser(prog="python -m model.evaluate_sentences", description=__doc__)
    parser.add_argument("--data", nargs="+", required=True, help="as in model.train; no bad rows")
    parser.add_argument("--artifact", type=Path, help="default: the newest shipped version")
    parser.add_argument("--baselines-only", action="store_true", help="load no artifact")
    parser.add_argument("--limit", type=int, help="documents of each set, for a quick look")
    parser.add_argument("--diversity", type=float, default=DIVERSITY, help="from 0 to 1")
    parser.add_argument("--seed", type=int, default=0, help="of the random choice")
    given = parser.parse_args(arguments)
    trained: dict[str, Method] = {}
    if not given.baselines_only:
        directory = given.artifact or latest_version(ARTIFACTS)
        trained = artifact_methods(directory, given.diversity)
    for origin, examples in by_origin(given.data, given.limit).items():
        found = [hide_lead(example.text) for example in examples]
        texts = [text for text in found if text]
        print(f"{origin}: {len(texts)} texts, {len(found) - len(texts)} have too few sentences\n")
        if texts:
            methods = baselines(given.diversity, given.seed) | trained
            print(table(measure(texts, methods)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
