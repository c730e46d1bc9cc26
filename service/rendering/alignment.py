"""A summary beside its source, unit by unit: what every attention view is drawn from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.tokenizer import Span, word_spans
from service.predictor import Summary

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """T units of a summary and S units of its source; special ones have no span."""

    summary_text: str
    summary_spans: list[Span | None]  # T, code points of summary_text
    source_text: str
    source_spans: list[Span | None]  # S, code points of source_text
    attention: Array  # [T, S]
    log_probs: Array  # [T]
    copy_gate: Array  # [T]
    copied_share: Array  # [T]


def token_alignment(
    summary: Summary, source_text: str, summary_text: str, summary_spans: list[Span | None]
) -> Alignment:
    """The alignment of tokens; the summary's text and spans may have changed case."""
    return Alignment(
        summary_text=summary_text,
        summary_spans=summary_spans,
        source_text=source_text,
        source_spans=summary.source_spans,
        attention=summary.attention.astype(np.float64),
        log_probs=summary.log_probs.astype(np.float64),
        copy_gate=summary.copy_gate.astype(np.float64),
        copied_share=summary.copied_share.astype(np.float64),
    )


def merge_words(tokens: Alignment) -> Alignment:
    """The same alignment by words: summed over the source and averaged over the summary.

    Rows keep their sum of 1. Log probabilities add up, since a word's is the product of its
    tokens' probabilities; gates and shares are averaged.
    """
    rows = word_starts(tokens.summary_text, tokens.summary_spans)
    columns = word_starts(tokens.source_text, tokens.source_spans)
    by_column = np.add.reduceat(tokens.attention, columns, axis=1)  # (T, S_words)
    tokens_of_word = np.diff([*rows, len(tokens.summary_spans)])

    def mean(values: Array) -> Array:
        means: Array = np.add.reduceat(values, rows) / tokens_of_word
        return means

    return Alignment(
        summary_text=tokens.summary_text,
        summary_spans=merged_spans(tokens.summary_text, tokens.summary_spans, rows),
        source_text=tokens.source_text,
        source_spans=merged_spans(tokens.source_text, tokens.source_spans, columns),
        attention=np.add.reduceat(by_column, rows, axis=0) / tokens_of_word[:, None],
        log_probs=np.add.reduceat(tokens.log_probs, rows),
        copy_gate=mean(tokens.copy_gate),
        copied_share=mean(tokens.copied_share),
    )


def word_starts(text: str, spans: Sequence[Span | None]) -> list[int]:
    """The first token of each word: a token belongs to the word in which it starts.

    A token of whitespace belongs to the word after it, and a special token is alone.
    """
    word_ends = [end for _, end in word_spans(text)]
    starts: list[int] = []
    previous: int | None = None
    for position, span in enumerate(spans):
        word = None if span is None else bisect_right(word_ends, span[0])
        if word is None or word != previous:
            starts.append(position)
        previous = word
    return starts


def merged_spans(
    text: str, spans: Sequence[Span | None], starts: Sequence[int]
) -> list[Span | None]:
    """The span of each run of tokens that begins at one of `starts`."""
    ends = [*starts[1:], len(spans)]
    return [_cover(text, spans[a:b]) for a, b in zip(starts, ends, strict=True)]


def _cover(text: str, spans: Sequence[Span | None]) -> Span | None:
    """From the first to the last character of a word's tokens, blank ones left out."""
    placed = [span for span in spans if span is not None]
    if not placed:
        return None
    inked = [span for span in placed if text[slice(*span)].strip()] or placed
    return inked[0][0], inked[-1][1]
