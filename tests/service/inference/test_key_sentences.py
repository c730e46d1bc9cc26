"""From logits to sentences: which are taken, in which order, and what their scores add up to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.tokenizer import Span
from service.errors import NonFiniteOutput
from service.inference.key_sentences import NO_SENTENCE, key_sentences, padded_logits

LOGITS = st.lists(st.floats(-30, 30), min_size=1, max_size=12)


def numbered(count: int) -> tuple[str, list[Span]]:
    """A text of sentences that share no word, and their spans."""
    text = " ".join(f"n{number}." for number in range(count))
    ends = [position + 1 for position, letter in enumerate(text) if letter == "."]
    return text, [(end - len(f"n{number}."), end) for number, end in enumerate(ends)]


@settings(deadline=None)  # other work may hold up the processor
@given(LOGITS)
def test_scores_are_shares_of_all_sentences(logits: list[float]) -> None:
    text, spans = numbered(len(logits))
    found = key_sentences(text, spans, np.array(logits), len(logits))
    assert [sentence.span for sentence in found] == spans
    assert sum(sentence.score for sentence in found) == pytest.approx(1)
    ratios = np.exp(np.array(logits) - max(logits))
    assert [sentence.score for sentence in found] == pytest.approx(ratios / ratios.sum())


@settings(deadline=None)  # other work may hold up the processor
@given(st.lists(st.integers(-9, 9), min_size=1, max_size=12), st.integers(0, 10))
def test_the_best_are_taken_in_the_texts_order(logits: list[int], count: int) -> None:
    text, spans = numbered(len(logits))
    found = key_sentences(text, spans, np.array(logits, float), count)
    best = sorted(range(len(logits)), key=lambda index: (-logits[index], index))[:count]
    assert [sentence.span for sentence in found] == [spans[index] for index in sorted(best)]


def test_a_repeated_sentence_is_not_taken_twice() -> None:
    text = "The line opens. The line opens. It is free."
    spans = [(0, 15), (16, 31), (32, 43)]
    found = key_sentences(text, spans, np.array([2.0, 1.9, 1.0]), 2)
    assert [sentence.span for sentence in found] == [(0, 15), (32, 43)]


def test_a_sentence_that_was_not_seen_is_no_candidate_and_has_no_share() -> None:
    text, spans = numbered(3)
    found = key_sentences(text, spans, np.array([1.0, NO_SENTENCE, 1.0]), 3)
    assert [sentence.span for sentence in found] == [spans[0], spans[2]]
    assert [sentence.score for sentence in found] == [0.5, 0.5]
    assert key_sentences(text, spans, np.full(3, NO_SENTENCE), 3) == []
    assert key_sentences("", [], np.zeros(0), 3) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("count", [0, 1])
def test_a_logit_that_is_not_finite_is_an_error(value: float, count: int) -> None:
    text, spans = numbered(2)
    with pytest.raises(NonFiniteOutput):
        key_sentences(text, spans, np.array([0.0, value]), count)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
        ([1.0, 2.0, 3.0, NO_SENTENCE], [1.0, 2.0, 3.0]),
        ([1.0], [1.0, NO_SENTENCE, NO_SENTENCE]),
        ([], [NO_SENTENCE] * 3),
    ],
)
def test_a_row_becomes_one_logit_a_sentence(row: Any, expected: list[float]) -> None:
    logits = padded_logits(np.array(row, np.float32), 3)
    assert logits.dtype == np.float64
    assert logits.tolist() == expected
