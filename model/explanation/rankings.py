"""What every method and every baseline says of one document's words and sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from model.explanation.document import Document, by_unit, count
from model.explanation.methods.ablation import Ablation, ablation
from model.explanation.methods.attention import attention
from model.explanation.methods.baselines import lead, random_words, word_overlap
from model.explanation.methods.copy_split import CopySplit, copy_split
from model.explanation.methods.gradient import gradient
from model.explanation.methods.removal import (
    in_top_sentences,
    leave_one_out,
    losses,
    without_each,
)
from model.explanation.scorer import Floats, GradientScorer, Scorer, Scores

METHODS = ("attention", "copy_split", "gradient", "leave_one_out", "ablation")
"""That rank the words of a text; `gradient` where the scorer is a `GradientScorer`."""

BASELINES = ("random", "lead", "position", "overlap")
RANDOM_ORDERS = 5


class Ranked(NamedTuple):
    """What one explanation says of a document's words (W,) and sentences (N,)."""

    words: Floats
    sentences: Floats


@dataclass(frozen=True)
class Asked:
    """What the model says of a document, as far as several methods and figures need it."""

    whole: Scores
    split: CopySplit
    fitted: Ablation
    without_words: Floats  # (W + 1, T), as `without_each` returns it
    sentence_losses: Floats  # (N,)

    @property
    def word_losses(self) -> Floats:
        """(W,): leave-one-out of every word."""
        return losses(self.without_words)


def ask(scorer: Scorer, document: Document, whole: Scores) -> Asked:
    """Asks for all of it but `whole`, the scores with nothing hidden."""
    return Asked(
        whole=whole,
        split=copy_split(whole, document.source_ids, document.summary_ids),
        fitted=ablation(scorer, document, document.sentences),
        without_words=without_each(scorer, document, document.words),
        sentence_losses=leave_one_out(scorer, document, document.sentences),
    )


def rankings(
    scorer: Scorer, document: Document, asked: Asked, positions: Floats
) -> dict[str, list[Ranked]]:
    """By method and baseline; several of `random`, one of each other.

    Args:
        scorer: Asked for gradients, if it has them.
        document: The text and its summary.
        asked: What the model says of it.
        positions: (S,), its entry of `position_alone`.
    """
    sentence_losses, sentence_scores = asked.sentence_losses, asked.fitted.scores
    tokens = {
        "attention": mean_attention(asked.whole),
        "copy_split": asked.split.copied.sum(axis=0),
        "position": positions,
    }
    if isinstance(scorer, GradientScorer):
        tokens["gradient"] = gradient(scorer, document)
    found = {name: [_from_tokens(document, scores)] for name, scores in tokens.items()}
    found |= {
        "leave_one_out": [_of_top_sentences(document, asked.word_losses, sentence_losses)],
        "ablation": [Ranked(sentence_scores[document.sentence_of_word], sentence_scores)],
        "random": [_random(document, seed) for seed in range(RANDOM_ORDERS)],
        "lead": [Ranked(lead(document), -np.arange(float(count(document.sentences))))],
        "overlap": [_overlap(document)],
    }
    return {name: found[name] for name in (*METHODS, *BASELINES) if name in found}


def mean_attention(whole: Scores) -> Floats:
    """(S,), of all of the summary."""
    weights = whole.attention_weights[0]
    return attention(weights, np.ones(len(weights)))


def _from_tokens(document: Document, tokens: Floats) -> Ranked:
    return Ranked(by_unit(tokens, document.words), by_unit(tokens, document.sentences))


def _of_top_sentences(document: Document, words: Floats, sentences: Floats) -> Ranked:
    """What `leave_one_out_by_word` says, from the losses of all words."""
    return Ranked(np.where(in_top_sentences(document, sentences), words, np.nan), sentences)


def _random(document: Document, seed: int) -> Ranked:
    words = random_words(document, seed)
    sentences = np.random.default_rng((seed, 1)).random(count(document.sentences))
    return Ranked(words, sentences)


def _overlap(document: Document) -> Ranked:
    words = word_overlap(document)
    return Ranked(words, by_unit(words, document.sentence_of_word))
