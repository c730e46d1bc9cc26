"""Tokens merged into words."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.tokenizer import Span, word_spans
from service.rendering.alignment import Alignment, merge_words

TEXTS = st.text("ab, .'-\n\u00a0😀é日", min_size=1).filter(str.strip)


@st.composite
def tokenized(draw: st.DrawFn) -> tuple[str, list[Span | None]]:
    """A text with spans as a subword tokenizer's: no ink lost, some blank, some shared, `<eos>`."""
    text = draw(TEXTS)
    cuts = draw(st.sets(st.integers(1, len(text)), max_size=8)) | {len(text)}
    spans: list[Span | None] = []
    start = 0
    for end in sorted(cuts):
        piece = text[start:end]
        lead = len(piece) - len(piece.lstrip())
        span = (start, end) if lead == len(piece) else (start + lead, end)
        spans += [span] * draw(st.integers(1, 2))
        start = end
    return text, [*spans, None]


@st.composite
def alignments(draw: st.DrawFn) -> Alignment:
    summary_text, summary_spans = draw(tokenized())
    source_text, source_spans = draw(tokenized())
    random = np.random.default_rng(draw(st.integers(0, 99)))
    rows, columns = len(summary_spans), len(source_spans)
    return Alignment(
        summary_text=summary_text,
        summary_spans=summary_spans,
        source_text=source_text,
        source_spans=source_spans,
        attention=random.dirichlet(np.ones(columns), rows),
        log_probs=-random.random(rows),
        copy_gate=random.random(rows),
        copied_share=random.random(rows),
    )


@given(alignments())
def test_rows_keep_their_sum_and_log_probs_their_total(tokens: Alignment) -> None:
    words = merge_words(tokens)
    assert words.attention.shape == (len(words.summary_spans), len(words.source_spans))
    assert words.attention.sum(axis=1) == pytest.approx(1)
    assert words.log_probs.sum() == pytest.approx(tokens.log_probs.sum())
    assert len(words.copy_gate) == len(words.copied_share) == len(words.summary_spans)


@given(alignments())
def test_words_are_in_order_and_lose_no_ink(tokens: Alignment) -> None:
    words = merge_words(tokens)
    assert words.source_spans[-1] is None
    placed = [span for span in words.source_spans if span is not None]
    assert len(placed) == len(words.source_spans) - 1
    assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in pairwise(placed))
    text = tokens.source_text
    covered = {i for span in placed for i in range(*span)}
    assert all(text[i].isspace() for i in range(len(text)) if i not in covered)


@given(alignments())
def test_tokens_that_start_in_one_word_are_one(tokens: Alignment) -> None:
    words = merge_words(tokens)
    bounds = word_spans(tokens.source_text)
    starts = [
        [i for i, (a, b) in enumerate(bounds) if a <= span[0] < b]
        for span in words.source_spans
        if span is not None and tokens.source_text[slice(*span)].strip()
    ]
    assert len({i for found in starts for i in found}) == len(starts)


def test_a_word_is_summed_over_the_source_and_averaged_over_the_summary() -> None:
    tokens = Alignment(
        summary_text="trams go",
        summary_spans=[(0, 4), (4, 5), (6, 8), None],
        source_text="The tramway  runs",
        source_spans=[(0, 3), (4, 8), (8, 11), (11, 12), (13, 17), None],
        attention=np.array(
            [
                [0.1, 0.5, 0.2, 0.0, 0.1, 0.1],
                [0.3, 0.1, 0.2, 0.1, 0.1, 0.2],
                [0.0, 0.0, 0.1, 0.0, 0.8, 0.1],
                [0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
            ]
        ),
        log_probs=np.array([-1.0, -2.0, -4.0, -8.0]),
        copy_gate=np.array([0.2, 0.4, 0.6, 0.8]),
        copied_share=np.array([1.0, 0.0, 0.5, 0.25]),
    )
    words = merge_words(tokens)
    assert words.summary_spans == [(0, 5), (6, 8), None]
    # The blank token counts for the word after it, which it doesn't make longer.
    assert words.source_spans == [(0, 3), (4, 11), (13, 17), None]
    expected = np.array([[0.2, 0.5, 0.15, 0.15], [0.0, 0.1, 0.8, 0.1], [0.0, 0.0, 0.0, 1.0]])
    assert words.attention == pytest.approx(expected)
    assert words.log_probs == pytest.approx([-3.0, -4.0, -8.0])
    assert words.copy_gate == pytest.approx([0.3, 0.6, 0.8])
    assert words.copied_share == pytest.approx([0.5, 0.5, 0.25])
