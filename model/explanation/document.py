"""A text and its summary as ids, and the words and sentences that can be hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.explanation.scorer import Floats, Ids, Mask
from model.sentences import split_sentences
from model.tokenizer import EOS_ID, EncodedText, Span, Tokenizer, word_spans
from model.words.word_forms import folded

Units = NDArray[np.int64]
"""(S,): the word, or the sentence, of each source token, from 0; -1 for a token of none."""


@dataclass(frozen=True)
class Document:
    """S source tokens in W words and N sentences, and T tokens of a summary."""

    source_ids: Ids  # (S,)
    summary_ids: Ids  # (T,)
    words: Units
    sentences: Units
    overlap: Mask  # (W,), whether the summary has the word too
    style: str = ""

    @property
    def sentence_of_word(self) -> NDArray[np.int64]:
        """(W,): the sentence in which each word begins."""
        _, first = np.unique(self.words[self.words >= 0], return_index=True)
        found: NDArray[np.int64] = self.sentences[self.words >= 0][first]
        return found


def read_document(
    tokenizer: Tokenizer, text: str, source: EncodedText, summary_ids: Sequence[int], style: str
) -> Document:
    """The document of a text, encoded perhaps in part, and of one summary of it."""
    spoken = tokenizer.decode([i for i in summary_ids if i != EOS_ID]).text
    return make_document(text, source.ids, source.spans, spoken, summary_ids, style)


def make_document(
    text: str,
    source_ids: Sequence[int],
    spans: Sequence[Span],
    spoken: str,
    summary_ids: Sequence[int],
    style: str,
) -> Document:
    """The document of what was tokenized already.

    Args:
        text: What the spans point into.
        source_ids: S, `<eos>` last.
        spans: Of all source tokens but the `<eos>`.
        spoken: The summary as text.
        summary_ids: T.
        style: Of the summary.
    """
    words = word_spans(text)
    said = {folded(spoken[start:end]) for start, end in word_spans(spoken)}
    of_token = _places(words, spans)
    overlap = [folded(text[slice(*words[i])]) in said for i in np.unique(of_token)]
    return Document(
        source_ids=np.array(source_ids, np.int32),
        summary_ids=np.array(summary_ids, np.int32),
        words=_numbered(of_token),
        sentences=_numbered(_places(split_sentences(text), spans)),
        overlap=np.array(overlap, np.bool_),
        style=style,
    )


def _places(units: Sequence[Span], tokens: Sequence[Span]) -> Units:
    """The unit in which each token starts; whitespace belongs to the unit after it."""
    ends = [end for _, end in units]
    starts = [start for start, _ in tokens]
    found = np.searchsorted(ends, starts, side="right").astype(np.int64)
    return np.minimum(found, len(units) - 1)


def _numbered(of_token: Units) -> Units:
    """Numbers without gaps, and -1 for the `<eos>` at the end."""
    _, dense = np.unique(of_token, return_inverse=True)
    return np.append(dense, -1).astype(np.int64)


def count(units: Units) -> int:
    """How many units there are."""
    return int(units.max(initial=-1)) + 1


def keep_masks(units: Units, kept: Mask) -> Mask:
    """Keep masks (N, S) of tokens, from the units (N, U) that are kept; `<eos>` always is."""
    masks = np.ones((len(kept), len(units)), np.bool_)
    inside = units >= 0
    masks[:, inside] = kept[:, units[inside]]
    return masks


def all_kept(document: Document) -> Mask:
    """The mask (1, S) that hides nothing."""
    return np.ones((1, len(document.source_ids)), np.bool_)


def by_unit(token_scores: Floats, units: Units) -> Floats:
    """The sum (U,) of the tokens' scores (S,) in each unit."""
    inside = units >= 0
    sums = np.bincount(units[inside], token_scores[inside], minlength=count(units))
    return sums.astype(np.float64)
