"""What of a text the model reads: all of it, its lead, or its best sentences; NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.sentences import Chunk, read_in_chunks, sentence_ids, split_sentences
from model.tokenizer import EncodedText, Span, Tokenizer, before_cut_word
from service.predictor import SummarizeOptions

Logits = NDArray[np.float64]
"""(N,): one for each sentence of a text."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A text as the model is given it."""

    source: EncodedText  # what the summary is written from
    sentences: list[Span]  # N, of the whole text; none where nobody asked for them
    sentence_ids: list[int]  # S, from 1; all 0 where sentences are read in chunks, or not at all
    chunks: list[Chunk]  # the whole of a text that is longer than the model reads
    passages: list[Span] | None = None  # where `source` was selected: the parts that it is made of


def is_read_in_full(options: SummarizeOptions) -> bool:
    """Whether a text that is longer than the model reads is read to its end, in chunks."""
    if options.truncation == "lead":
        return options.key_sentences > 0
    return options.truncation == "select"


def read(text: str, tokenizer: Tokenizer, options: SummarizeOptions, limit: int) -> Reading:
    """The text cut to its lead, and its sentences where they are to be scored.

    Args:
        text: What was sent.
        tokenizer: The model's.
        options: Say whether sentences are wanted.
        limit: Tokens that the model reads, `<eos>` counted.
    """
    wanted = options.key_sentences > 0
    source = tokenizer.encode(text, max_tokens=None if is_read_in_full(options) else limit)
    if len(source.ids) > limit:
        sentences = split_sentences(text)
        chunks = read_in_chunks(source, sentences, limit)
        return _unnumbered(_lead(text, source, limit), sentences=sentences, chunks=chunks)
    if source.truncated or not wanted:
        return _unnumbered(source)
    sentences = split_sentences(text)
    numbers = sentence_ids(source.spans, sentences).tolist()
    return Reading(source=source, sentences=sentences, sentence_ids=[*numbers, 0], chunks=[])


def select_passages(
    text: str, reading: Reading, logits: Logits, tokenizer: Tokenizer, limit: int
) -> Reading:
    """The same text, its summary to be written from its best sentences instead of from its lead.

    The first sentence always stays. The others are taken from the best down, each that still
    fits, and read in the text's order. Neighbours make one passage.

    Args:
        text: What was sent.
        reading: Of a text that is longer than the model reads, with chunks.
        logits: Of its sentences.
        tokenizer: The model's.
        limit: Tokens that the model reads, `<eos>` counted.
    """
    lengths = tokenizer.encode_ids([text[start:end] for start, end in reading.sentences])
    chosen = best_that_fit([len(ids) for ids in lengths], logits, limit - 1)
    ids: list[int] = []
    spans: list[Span] = []
    passages: list[Span] = []
    for index in chosen:
        start, end = reading.sentences[index]
        part = tokenizer.encode(text[start:end], max_tokens=limit)
        ids += part.ids[:-1]
        spans += [(start + a, start + b) for a, b in part.spans]
        follows = passages and index - 1 in chosen
        first = passages.pop()[0] if follows else start
        passages.append((first, start + part.used_end))
    source = EncodedText(
        ids=[*ids, tokenizer.eos_id],
        spans=spans,
        total_tokens=reading.source.total_tokens,
        used_end=passages[-1][1],
        truncated=True,
    )
    return replace(reading, source=source, sentence_ids=[0] * len(source.ids), passages=passages)


def best_that_fit(lengths: Sequence[int], scores: Sequence[float] | Logits, room: int) -> list[int]:
    """The first index and, from the best score down, all that fit beside it; in rising order.

    Args:
        lengths: Of each; at least one.
        scores: Of each; of equals the earlier comes first.
        room: For all lengths together. The first index is taken even if it is longer.
    """
    chosen, left = {0}, room - lengths[0]
    for index in np.argsort(-np.asarray(scores), kind="stable").tolist():
        if index not in chosen and lengths[index] <= left:
            chosen.add(index)
            left -= lengths[index]
    return sorted(chosen)


def _lead(text: str, source: EncodedText, limit: int) -> EncodedText:
    """What the tokenizer would have given under the limit."""
    kept = before_cut_word(text, source.spans, limit - 1)
    spans = source.spans[:kept]
    return replace(
        source,
        ids=[*source.ids[:kept], source.ids[-1]],
        spans=spans,
        used_end=spans[-1][1],
        truncated=True,
    )


def _unnumbered(
    source: EncodedText, sentences: Sequence[Span] = (), chunks: Sequence[Chunk] = ()
) -> Reading:
    """A reading whose sentences, if there are any, are not scored where the summary is written."""
    return Reading(
        source=source,
        sentences=[*sentences],
        sentence_ids=[0] * len(source.ids),
        chunks=[*chunks],
    )
