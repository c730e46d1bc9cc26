"""Where the sentences of a text are, and which tokens are theirs. Knows no TensorFlow or Keras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import sentencex
from numpy.typing import NDArray

from model.tokenizer import EOS_ID, EncodedText, Span

LANGUAGE = "en"
"""Chooses the list of abbreviations. The full stops of all languages end sentences anyway."""

WINDOW = 4000
"""Code points that `sentencex` sees at once: its time grows with the square of some texts."""

MARGIN = 100
"""Code points at a window's end in which a break is not believed: what follows is not seen."""

LONGEST_QUOTATION = 600
"""Code points up to which quoted sentences stay together, with the words that say whose they are.
Longer ones are whole speeches."""

_OPENING = '"“„«'
_WITHOUT_QUOTES = str.maketrans(dict.fromkeys('"“”„«»', " "))


def split_sentences(text: str) -> list[Span]:
    """The spans of the sentences of `text`, in order, without whitespace around them.

    Every character that is not whitespace lies in exactly one sentence. The end of a paragraph
    ends a sentence, and so does the end of a list item. The time is linear in the text's length.

    Args:
        text: Any text without lone surrogates, in any language.
    """
    without_quotes = text.translate(_WITHOUT_QUOTES)
    spans: list[Span] = []
    for start, end in _paragraphs(text):
        for piece in _pieces(text, text, start, end):
            if piece[1] - piece[0] > LONGEST_QUOTATION:
                spans += _pieces(text, without_quotes, *piece)
            else:
                spans.append(piece)
    return spans


def _paragraphs(text: str) -> Iterator[Span]:
    """Runs of lines that are not blank."""
    start = position = 0
    for line in text.splitlines(keepends=True):
        if line.isspace():
            if start < position:
                yield start, position
            start = position + len(line)
        position += len(line)
    if start < position:
        yield start, position


def _pieces(text: str, read: str, start: int, end: int) -> Iterator[Span]:
    """The sentences between two positions, as `read`, which is as long as `text`, has them."""
    for place in (*_breaks(read, start, end), end):
        stop = end if place == end else _before_quotation_mark(text, start, place)
        piece = text[start:stop]
        if piece.strip():
            yield stop - len(piece.lstrip()), start + len(piece.rstrip())
        start = stop


def _before_quotation_mark(text: str, start: int, place: int) -> int:
    """The break, moved before a mark that opens what follows: `said so. |“It is late.`."""
    before = text[start:place].rstrip()
    if len(before) > 2 and before[-1] in _OPENING and before[-2].isspace():
        return start + len(before) - 1
    return place


def _breaks(text: str, start: int, end: int) -> Iterator[int]:
    """Where a sentence of the paragraph ends and the next begins.

    The paragraph is read in windows. The next window begins with the last break that was found,
    so that whole sentences are seen, or at a space if no break was found in the second half.
    """
    while start < end:
        stop = min(start + WINDOW, end)
        seen = stop if stop == end else stop - MARGIN
        found = sentencex.get_sentence_boundaries(LANGUAGE, text[start:stop])
        places = [start, *(start + sentence["start_index"] for sentence in found[1:])]
        places = [place for place in places if place < seen]
        for previous, place in pairwise(places):
            if _may_break(text[previous:place], text[place]):
                yield place
        if stop == end:
            return
        start = places[-1] if places[-1] > start + WINDOW // 2 else _space(text, start, seen)


def _space(text: str, start: int, end: int) -> int:
    """The last space in the second half, or the end: where a window can end in a sentence."""
    space = text.rfind(" ", (start + end) // 2, end)
    return end if space < 0 else space


def _may_break(before: str, following: str) -> bool:
    """Whether a break that the library found is kept.

    Not kept are breaks inside addresses (`www.|example`), before lower case (`91,000 lbs.|on six
    axles`) and before a year taken for the number of a list item (`June 29,|2010)`).
    """
    ended = before.rstrip()
    gap = before[len(ended) :]
    if not gap:
        return not before[-1].isascii()  # 。 and its like need no space
    if gap.splitlines() != [gap]:
        return True  # a list item
    return not (following.islower() or ended.endswith(","))


def sentence_ids(token_spans: Sequence[Span], sentences: Sequence[Span]) -> NDArray[np.int32]:
    """The sentence of every token, for pooling by sentence.

    Args:
        token_spans: Spans of tokens, as the tokenizer gives them.
        sentences: Spans of sentences of the same text, in order.

    Returns:
        int32, one for each token: the number, from 1, of the sentence in which the token starts;
        0 where it starts in none.
    """
    if not sentences or not token_spans:
        return np.zeros(len(token_spans), np.int32)
    starts, ends = np.array(sentences).T
    tokens = np.array(token_spans)[:, 0]
    numbers = np.searchsorted(starts, tokens, side="right")
    inside = (numbers > 0) & (tokens < ends[numbers - 1])
    return np.where(inside, numbers, 0).astype(np.int32)


def chunks(token_counts: Sequence[int], limit: int) -> list[range]:
    """Neighbouring sentences that can be read together, for texts longer than a model reads.

    Args:
        token_counts: The tokens of each sentence.
        limit: The most tokens of a chunk, without its `<eos>`.

    Returns:
        Ranges of indices that cover all sentences in order. A chunk has more tokens than `limit`
        only if it is one sentence that does; whoever reads it cuts it.

    Raises:
        ValueError: `limit` is not positive.
    """
    if limit < 1:
        raise ValueError(f"a chunk needs room for at least 1 token, got a limit of {limit}")
    found, first, total = [], 0, 0
    for index, count in enumerate(token_counts):
        if index > first and total + count > limit:
            found.append(range(first, index))
            first, total = index, 0
        total += count
    if first < len(token_counts):
        found.append(range(first, len(token_counts)))
    return found


class Chunk(NamedTuple):
    """A part of a text that a model reads at once."""

    sentences: range  # indices into the text's sentences
    source_ids: list[int]  # the tokens of these sentences and `<eos>`
    sentence_ids: list[int]  # for each of them its sentence, counted from 1 in this chunk, or 0


def read_in_chunks(
    encoded: EncodedText, sentences: Sequence[Span], max_source_tokens: int
) -> list[Chunk]:
    """A whole text, encoded without a limit, in parts that end where sentences end.

    Args:
        encoded: The text's tokens.
        sentences: The spans of its sentences.
        max_source_tokens: The most tokens of a chunk, `<eos>` counted; at least 2. A sentence
            that is longer loses its end.
    """
    numbers = sentence_ids(encoded.spans, sentences).tolist()
    owners, owner = [0] * len(numbers), len(sentences)
    for index in reversed(range(len(numbers))):  # whitespace alone is read with what follows it
        owner = owners[index] = numbers[index] or owner
    ends = np.searchsorted(owners, np.arange(len(sentences) + 1), side="right").tolist()
    found = []
    for part in chunks(np.diff(ends).tolist(), max_source_tokens - 1):
        tokens = range(ends[part.start], ends[part.stop])[: max_source_tokens - 1]
        ids = [max(numbers[token] - part.start, 0) for token in tokens]
        found.append(Chunk(part, [*(encoded.ids[token] for token in tokens), EOS_ID], [*ids, 0]))
    return found
