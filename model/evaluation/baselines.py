"""What a summary must beat: the beginning of the text."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from model.evaluation.rouge import Scores, rouge

LEAD_WORDS = (8, 10, 12, 15, 20, 25, 28, 32)
_SENTENCE = re.compile(r".*?[.!?][\"'\u201d\u2019)]*(?=\s+[\"'\u201c\u2018(]?[A-Z0-9])", re.DOTALL)
_WORD = re.compile(r"\w+")


def first_sentence(text: str) -> str:
    """Up to the first full stop that a capital follows, else the whole text."""
    match = _SENTENCE.match(text)
    return match.group() if match else text


def leads(text: str) -> dict[str, str]:
    """The first words, at several lengths, and the first sentence."""
    words = text.split()
    found = {f"first {count} words": " ".join(words[:count]) for count in LEAD_WORDS}
    return found | {"first sentence": first_sentence(text)}


def best_leads(texts: Sequence[str], references: Sequence[str]) -> list[tuple[str, Scores]]:
    """For each ROUGE metric the lead that is best on this set, chosen with hindsight.

    Returns:
        Name and scores of the best lead for ROUGE-1, ROUGE-2 and ROUGE-L.
    """
    candidates = [leads(text) for text in texts]
    scores = {name: rouge([c[name] for c in candidates], references) for name in candidates[0]}
    means = {name: rows.mean(axis=0) for name, rows in scores.items()}
    best = [max(means, key=lambda name: means[name][metric]) for metric in range(3)]
    return [(name, scores[name]) for name in best]


def begins_text(summary: str, text: str) -> bool:
    """Whether the summary's words are merely the first words of the text."""
    ours = [word.casefold() for word in _WORD.findall(summary)]
    theirs = [word.casefold() for word in _WORD.findall(text[: 4 * len(summary) + 100])]
    return bool(ours) and theirs[: len(ours)] == ours


def share_beginning(summaries: Sequence[str], texts: Sequence[str]) -> float:
    """The share of summaries that merely begin their text."""
    pairs = zip(summaries, texts, strict=True)
    return float(np.mean([begins_text(summary, text) for summary, text in pairs]))
