"""Examples -> length-bucketed NumPy batches. Runs without TensorFlow and Keras."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.denoising import hide
from model.lead_oracle import HIDDEN, lead_oracle
from model.readers import Example
from model.sentences import sentence_ids, split_sentences
from model.tokenizer import EOS_ID, MASK_ID, PAD_ID, Span, Tokenizer
from model.words.truecasing import Truecaser

SUMMARY_BUCKET = 4
"""Summaries are padded to multiples of this: each new shape costs seconds of tracing."""

SHORTEST_CUT = 24
"""Tokens; a sentence has about as many."""

CHARACTERS_PER_TOKEN = 8
"""More than any English text needs; texts are cut to this before they are tokenized."""

KNOWN_SHARE = 0.8
"""A summary of which less stands in what is left of its text would teach to invent."""

FORMULAIC = re.compile(
    r"\b(?:statements?|remarks)\s+(?:\w+\s+){0,2}?(?:on|regarding|about|after|following|in)\b",
    re.IGNORECASE,
)
"""Headlines such as "Example statement on the budget": one in eleven of the press releases."""

Array = NDArray[np.generic]


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """How examples become batches.

    `hidden_share` of the examples have source positions hidden, each at a rate drawn from 0 to 1:
    explanations by removal are honest only for a model that has seen removal. `short_share` of them
    are cut at `short_source_tokens`, since long sources cost more and most of a headline stands
    early. `inner_share` of them come without their first two sentences, as texts do that don't
    begin with what matters, and with the labels of model/lead_oracle.py. `cut_share` of them are
    cut at a random length, as short texts are, where enough of the summary remains in them.
    `formulaic_share` of the headlines that only announce a statement are kept: they say nothing of
    what was stated.
    """

    max_source_tokens: int = 160
    max_summary_tokens: int = 48
    tokens_per_batch: int = 8192
    bucket_tokens: int = 32
    window_batches: int = 64
    short_source_tokens: int = 128
    short_share: float = 0.0
    inner_share: float = 0.1
    cut_share: float = 0.15
    formulaic_share: float = 1.0
    hidden_share: float = 0.1
    word_dropout: float = 0.05
    merge_dropout: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Batch:
    """Padded arrays: int32 ids (B, S) and (B, T), bool keep mask, float32 weights (B, T).

    `sentence_targets` float32 (B, N) is a distribution over the sentences that `sentence_ids`
    int32 (B, S) numbers from 1, or all zeros for an example without labels.
    """

    source_ids: Array
    source_keep_mask: Array
    previous_ids: Array
    summary_ids: Array
    weights: Array
    sentence_ids: Array
    sentence_targets: Array

    def targets(self) -> dict[str, Array]:
        """What the loss weighs the network's log-probabilities with."""
        return {"summary": self.weights, "sentences": self.sentence_targets}

    def inputs(self) -> dict[str, Array]:
        """What the network's call takes."""
        return {
            "sentence_ids": self.sentence_ids,
            "sentence_targets": self.sentence_targets,
            "source_ids": self.source_ids,
            "source_keep_mask": self.source_keep_mask,
            "previous_ids": self.previous_ids,
            "summary_ids": self.summary_ids,
        }


@dataclass(frozen=True)
class _Row:
    source: list[int]
    summary: list[int]
    start: int
    sentence_ids: Sequence[int] = ()
    labels: Sequence[int] = ()  # numbers of sentences, from 1
    weight: float = 1.0  # of the summary in the loss


class Batches:
    """Batches in an order that depends only on the seed, the epoch and the position in it.

    Examples are shuffled, cut into windows, sorted by length within a window and batched by
    source tokens, so that little padding is computed; then the window's batches are shuffled.
    """

    def __init__(
        self,
        groups: Sequence[tuple[Sequence[Example], float]],
        tokenizer: Tokenizer,
        truecaser: Truecaser,
        options: BatchOptions,
    ) -> None:
        self.groups, self.tokenizer, self.options = groups, tokenizer, options
        self.truecaser = truecaser
        self.starts = {style: tokenizer.start_id(style) for style in tokenizer.styles}

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, without the first `skip`."""
        options = self.options
        order = self._order(np.random.default_rng([options.seed, epoch]))
        window = options.window_batches * options.tokens_per_batch // options.max_source_tokens
        position = 0
        for number, first in enumerate(range(0, len(order), window)):
            rng = np.random.default_rng([options.seed, epoch, number])
            rows = self._rows(order[first : first + window], rng)
            for chunk in self._chunks(rows, rng):
                # Drawn even when skipped: the next batch must not depend on where a job resumed.
                batch = self._batch([rows[i] for i in chunk], rng)
                if position >= skip:
                    yield batch
                position += 1

    def _order(self, rng: np.random.Generator) -> list[Example]:
        chosen: list[Example] = []
        for examples, weight in self.groups:
            whole, part = int(weight), weight - int(weight)
            extra = rng.permutation(len(examples))[: round(part * len(examples))]
            chosen += [*list(examples) * whole, *(examples[i] for i in extra)]
        if self.options.formulaic_share < 1.0:
            kept = rng.random(len(chosen)) < self.options.formulaic_share
            pairs = zip(chosen, kept.tolist(), strict=True)
            chosen = [e for e, keep in pairs if keep or not FORMULAIC.search(e.summary)]
        return [chosen[i] for i in rng.permutation(len(chosen))]

    def _rows(self, examples: Sequence[Example], rng: np.random.Generator) -> list[_Row]:
        options, encode = self.options, self.tokenizer.encode_ids
        sources = encode([e.text for e in examples], options.merge_dropout, rng)
        summaries = encode([self.truecaser.truecase(e.summary, e.text) for e in examples])
        short = rng.random(len(examples)) < options.short_share
        inner = rng.random(len(examples)) < options.inner_share
        cut = rng.random(len(examples)) < options.cut_share
        longest = max(options.max_source_tokens, SHORTEST_CUT)
        lengths = np.geomspace(SHORTEST_CUT, longest, len(examples) + 1).astype(int)
        lengths = rng.permutation(lengths[1:])
        rows = []
        for i, example in enumerate(examples):
            limit = options.short_source_tokens if short[i] else options.max_source_tokens
            source = sources[i]
            if example.gap:
                source = self._with_gap(example.text, example.gap, limit, rng)
            row = _Row(
                [*source[: limit - 1], EOS_ID],
                [*summaries[i], EOS_ID][: options.max_summary_tokens],
                self.starts[example.style],
            )
            if inner[i] and not example.gap:
                row = self._inner(example, row)
            elif cut[i] and not example.gap:
                row = _cut(row, lengths[i])
            rows.append(row)
        return rows

    def _with_gap(self, text: str, gap: Span, limit: int, rng: np.random.Generator) -> list[int]:
        """The ids of a text with a hidden sentence, of which the limit cuts as little as it can."""
        start, end = gap
        before, sentence, after = self.tokenizer.encode_ids(
            [text[:start], text[start:end], text[end:]], self.options.merge_dropout, rng
        )
        hidden = hide(sentence, rng)
        room = max(limit - 1 - len(hidden), 0)
        return [*before[max(len(before) - room, 0) :], *hidden, *after]

    def _inner(self, example: Example, whole: _Row) -> _Row:
        """The example without its first two sentences; `whole` where none has a label."""
        spans = split_sentences(example.text)
        labels = lead_oracle([example.text[start:end] for start, end in spans])
        if not labels:
            return whole
        text = example.text[spans[HIDDEN][0] :]
        limit = self.options.max_source_tokens
        encoded = self.tokenizer.encode(text, limit, whole_words=False)
        first = spans[HIDDEN][0]
        rest = [(start - first, end - first) for start, end in spans[HIDDEN:]]
        numbers = sentence_ids(encoded.spans, rest)
        seen = set(numbers.tolist())
        known = [i - HIDDEN + 1 for i in labels if i - HIDDEN + 1 in seen]
        weight = float(_known_share(whole.summary, encoded.ids) >= KNOWN_SHARE)
        return replace(
            whole, source=encoded.ids, sentence_ids=numbers.tolist(), labels=known, weight=weight
        )

    def _chunks(self, rows: Sequence[_Row], rng: np.random.Generator) -> list[list[int]]:
        options = self.options
        # Long summaries together as well: the loss is over the whole vocabulary at each position.
        lengths = [(self._bucket(len(row.source)), len(row.summary)) for row in rows]
        order = sorted(range(len(rows)), key=lambda i: (lengths[i], i))
        chunks: list[list[int]] = []
        while order:
            size = max(1, options.tokens_per_batch // self._bucket(len(rows[order[-1]].source)))
            chunks.append(order[-size:])
            del order[-size:]
        return [chunks[i] for i in rng.permutation(len(chunks))]

    def _bucket(self, length: int) -> int:
        step = self.options.bucket_tokens
        return -(-length // step) * step

    def _batch(self, rows: Sequence[_Row], rng: np.random.Generator) -> Batch:
        length = self._bucket(max(len(row.source) for row in rows))
        longest = max(len(row.summary) for row in rows)
        steps = min(-(-longest // SUMMARY_BUCKET) * SUMMARY_BUCKET, self.options.max_summary_tokens)
        source_ids = padded([row.source for row in rows], length)
        summary_ids = padded([row.summary for row in rows], steps)
        previous_ids = padded([[row.start, *row.summary[:-1]] for row in rows], steps)
        forgotten = rng.random(previous_ids.shape) < self.options.word_dropout
        forgotten[:, 0] = False
        weights = np.array([row.weight for row in rows], np.float32)[:, None]
        # Nothing of them is hidden: no label may stand on a sentence that is not there.
        labelled = np.array([bool(row.labels) for row in rows])[:, None]
        return Batch(
            source_ids,
            self._keep_mask(source_ids, rng) | (labelled & (source_ids != PAD_ID)),
            np.where(forgotten & (previous_ids != PAD_ID), np.int32(MASK_ID), previous_ids),
            summary_ids,
            (summary_ids != PAD_ID) * weights,
            padded([row.sentence_ids for row in rows], length),
            _distributions([row.labels for row in rows]),
        )

    def _keep_mask(self, source_ids: Array, rng: np.random.Generator) -> Array:
        """bool (B, S): True but for padding and what is hidden; `<eos>` is never hidden."""
        rows = len(source_ids)
        chosen = rng.random(rows) < self.options.hidden_share
        rates = np.where(chosen, rng.random(rows), 0.0)
        hidden = rng.random(source_ids.shape) < rates[:, None]
        return np.asarray((source_ids != PAD_ID) & (~hidden | (source_ids == EOS_ID)))


def _cut(row: _Row, length: int) -> _Row:
    """The example with the first `length` tokens of its text, if enough of its summary is there."""
    source = [*row.source[: length - 1], EOS_ID]
    if len(source) >= len(row.source) or _known_share(row.summary, source) < KNOWN_SHARE:
        return row
    return replace(row, source=source)


def _known_share(summary: Sequence[int], source: Sequence[int]) -> float:
    known = set(source)
    return sum(token in known for token in summary) / len(summary)


def _distributions(labels: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """float32 (B, N): evenly over each row's labels, which count from 1."""
    width = max((max(row, default=1) for row in labels), default=1)
    array = np.zeros((len(labels), width), np.float32)
    for i, row in enumerate(labels):
        array[i, [label - 1 for label in row]] = 1.0 / max(len(row), 1)
    return array


def padded(rows: Sequence[Sequence[int]], length: int) -> NDArray[np.int32]:
    """int32 (B, length), 0 on the right."""
    array = np.full((len(rows), length), PAD_ID, np.int32)
    for i, row in enumerate(rows):
        array[i, : len(row)] = row
    return array
