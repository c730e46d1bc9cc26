"""Batches made on the accelerator from a corpus that lies there whole: only indices travel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from model.data import KNOWN_SHARE, SHORTEST_CUT
from model.packed import SENTENCE_BIT, PackedCorpus
from model.tokenizer import EOS_ID, MASK_ID

Array = Any

NUM_SENTENCES = 48
"""Sentences that labels may name; later ones are not chosen from in training."""

GAP_TOKENS = (6, 46)
"""The fewest and the most tokens of a sentence that is hidden and written again."""

WHOLE_SHARE = 0.5
"""Of the gaps that are hidden whole; of the others about half of the tokens are."""

SPAN_START_RATE = 0.2
"""A hidden span of three tokens begins at so many: 1 - 0.8 ** 3 of the tokens are hidden."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """How examples are varied; shares as in `model.data.BatchOptions`."""

    hidden_share: float = 0.1
    inner_share: float = 0.1
    cut_share: float = 0.15
    word_dropout: float = 0.05


PLAIN = Mixture(hidden_share=0, inner_share=0, cut_share=0, word_dropout=0)
"""Examples as they are, for validation and for a teacher's opinions."""


class DeviceCorpus(NamedTuple):
    """`PackedCorpus` on the accelerator."""

    tokens: Array
    targets: Array
    source_starts: Array
    source_lengths: Array
    target_starts: Array
    target_lengths: Array
    start_ids: Array
    inner_starts: Array
    labels: Array

    @classmethod
    def of(cls, corpus: PackedCorpus) -> DeviceCorpus:
        """Copies a corpus there."""
        return cls(*(jnp.asarray(getattr(corpus, name)) for name in cls._fields))


def make_batch(
    corpus: DeviceCorpus,
    rows: Array,
    key: Array,
    mixture: Mixture,
    source_tokens: int,
    summary_tokens: int,
    gap_share: Array | None = None,
) -> dict[str, Array]:
    """The inputs of the network's call, with `summary_weights` (B, T), for examples `rows` (B,).

    `gap_share` of them, a traced number, have a sentence hidden, which is the target
    (model/denoising.py); with a share of 1 the others weigh nothing, so that texts alone are learnt
    from. `is_plain` (B,) is False for gaps and for inner texts.

    Sources are (B, `source_tokens`), `<eos>` counted, summaries (B, `summary_tokens`). To be
    traced: every shape is fixed.
    """
    keys = jax.random.split(key, 8)
    batch = rows.shape[0]
    begins = corpus.inner_starts[rows]
    left = (begins >= 0) & (begins < corpus.source_lengths[rows])
    inner = _drawn(keys[0], mixture.inner_share, batch) & left
    skipped = jnp.where(inner, begins, 0)
    length = jnp.minimum(corpus.source_lengths[rows] - skipped, source_tokens - 1)
    begin = corpus.source_starts[rows] + skipped
    target = _slices(
        corpus.targets, corpus.target_starts[rows], corpus.target_lengths[rows], summary_tokens
    ).astype(jnp.int32)
    packed = _slices(corpus.tokens, begin, length, source_tokens)
    ids = (packed & (SENTENCE_BIT - 1)).astype(jnp.int32)
    starts = (packed >= SENTENCE_BIT).astype(jnp.int32)

    span = jnp.log(source_tokens) - jnp.log(SHORTEST_CUT)
    drawn = jnp.exp(jax.random.uniform(keys[1], (batch,)) * span + jnp.log(SHORTEST_CUT))
    shorter = jnp.minimum(length, drawn.astype(jnp.int32))
    cut = _drawn(keys[2], mixture.cut_share, batch) & ~inner
    cut &= _known_share(ids, shorter, target) >= KNOWN_SHARE
    length = jnp.where(cut, shorter, length)

    places = jnp.arange(source_tokens)[None, :]
    real = places < length[:, None]
    sentence_ids = jnp.where(real, jnp.cumsum(starts, axis=1), 0)
    # A cut of a text never leaves out what the headline needs; an inner text may.
    known = ~inner | (_known_share(ids, length, target) >= KNOWN_SHARE)
    weights = known.astype(jnp.float32)
    start_ids, plain = corpus.start_ids[rows], ~inner

    if gap_share is not None:
        gap = _gap(keys[3:6], gap_share, ids, sentence_ids, length, target.shape[1])
        gap = gap._replace(used=gap.used & ~inner)
        plain, used = plain & ~gap.used, gap.used[:, None]
        ids, target = jnp.where(used, gap.ids, ids), jnp.where(used, gap.target, target)
        length = jnp.where(gap.used, gap.length, length)
        start_ids = jnp.where(gap.used, MASK_ID, start_ids)
        weights = jnp.where((gap_share < 1.0) | gap.used, weights, 0.0)
        sentence_ids = jnp.where(used, 0, sentence_ids)

    ids = jnp.where(places < length[:, None], ids, 0)
    ids = jnp.where(places == length[:, None], EOS_ID, ids)
    sentence_targets = _sentence_targets(corpus.labels[rows], inner, sentence_ids)
    previous = jnp.concatenate([start_ids[:, None], target[:, :-1]], axis=1)
    forgotten = _drawn(keys[6], mixture.word_dropout, previous.shape) & (previous != 0)
    forgotten = forgotten.at[:, 0].set(False)
    return {
        "source_ids": ids,
        "source_keep_mask": _keep_mask(keys[7], mixture.hidden_share, ids) | inner[:, None],
        "previous_ids": jnp.where(forgotten, MASK_ID, previous),
        "summary_ids": target,
        "summary_weights": (target != 0) * weights[:, None],
        "sentence_ids": sentence_ids,
        "sentence_targets": sentence_targets,
        "is_plain": plain,
    }


class _Gap(NamedTuple):
    used: Array  # bool (B,)
    ids: Array  # (B, S)
    length: Array  # (B,)
    target: Array  # (B, T)


def _gap(
    keys: Array, share: Array, ids: Array, sentence_ids: Array, length: Array, summary_tokens: int
) -> _Gap:
    """Hides a sentence, drawn by its length: whole, or about half of its tokens."""
    batch, width = ids.shape
    places = jnp.arange(width)[None, :]
    drawn = (jax.random.uniform(keys[0], (batch,)) * length).astype(jnp.int32)
    chosen = jnp.take_along_axis(sentence_ids, drawn[:, None], axis=1)  # (B, 1)
    belongs = (sentence_ids == chosen) & (places < length[:, None])
    count = belongs.sum(axis=1)
    first = jnp.argmax(belongs, axis=1)
    several = jnp.max(sentence_ids, axis=1) > 1
    fits = (count >= GAP_TOKENS[0]) & (count <= min(GAP_TOKENS[1], summary_tokens - 1))
    draws = jax.random.uniform(keys[1], (batch, 2))
    used = (draws[:, 0] < share) & several & fits
    spots = jnp.arange(summary_tokens)[None, :]
    sentence = jnp.take_along_axis(ids, jnp.minimum(first[:, None] + spots, width - 1), axis=1)
    target = jnp.where(spots < count[:, None], sentence, 0)
    target = jnp.where(spots == count[:, None], EOS_ID, target)

    whole = (draws[:, 1] < WHOLE_SHARE)[:, None]
    later = places > first[:, None]
    moved = jnp.minimum(places + jnp.where(later, count[:, None] - 1, 0), width - 1)
    closed = jnp.where(places == first[:, None], MASK_ID, jnp.take_along_axis(ids, moved, axis=1))
    begins = jax.random.uniform(keys[2], ids.shape) < SPAN_START_RATE
    hidden = begins | jnp.roll(begins, 1, axis=1) | jnp.roll(begins, 2, axis=1)
    holed = jnp.where(belongs & hidden, MASK_ID, ids)
    new_length = jnp.where(whole[:, 0], length - count + 1, length)
    return _Gap(used, jnp.where(whole, closed, holed), new_length, target)


def _drawn(key: Array, share: float, shape: Any) -> Array:
    return jax.random.uniform(key, shape if isinstance(shape, tuple) else (shape,)) < share


def _slices(flat: Array, begin: Array, length: Array, width: int) -> Array:
    """(B, width) of a flat array, 0 after each row's length."""
    places = jnp.arange(width)[None, :]
    found = flat[jnp.minimum(begin[:, None] + places, flat.shape[0] - 1)]
    return jnp.where(places < length[:, None], found, 0)


def _known_share(ids: Array, length: Array, target: Array) -> Array:
    """(B,): of the target's tokens, the share that stands in the first `length` of the source."""
    ids = jnp.where(jnp.arange(ids.shape[1])[None, :] < length[:, None], ids, -1)
    real = target > EOS_ID
    known = jnp.any(ids[:, None, :] == target[:, :, None], axis=2) & real
    return known.sum(axis=1) / jnp.maximum(real.sum(axis=1), 1)


def _sentence_targets(labels: Array, inner: Array, sentence_ids: Array) -> Array:
    """float32 (B, N), evenly over the labelled sentences that the source has."""
    labels = labels.astype(jnp.int32)
    seen = (labels > 0) & (labels <= jnp.max(sentence_ids, axis=1)[:, None]) & inner[:, None]
    chosen = jax.nn.one_hot(jnp.where(seen, labels - 1, -1), NUM_SENTENCES).sum(axis=1)
    return chosen / jnp.maximum(chosen.sum(axis=1, keepdims=True), 1.0)


def _keep_mask(key: Array, share: float, ids: Array) -> Array:
    """bool (B, S): True but for padding and what is hidden; `<eos>` is never hidden."""
    draws = jax.random.uniform(jax.random.fold_in(key, 0), (ids.shape[0], 2))
    rates = jnp.where(draws[:, 0] < share, draws[:, 1], 0.0)
    hidden = jax.random.uniform(key, ids.shape) < rates[:, None]
    return (ids != 0) & (~hidden | (ids == EOS_ID))


class RowStream:
    """Numbers of examples of several groups, each shuffled anew whenever it is used up."""

    def __init__(
        self,
        groups: Sequence[tuple[NDArray[np.int64], float]],
        formulaic: NDArray[Any],
        formulaic_share: float,
        seed: int,
    ) -> None:
        """Each group has the numbers of its examples and its share of every batch."""
        self._rng = np.random.default_rng(seed)
        self._formulaic, self._formulaic_share = formulaic, formulaic_share
        self._groups = [rows for rows, _ in groups]
        total = sum(share for _, share in groups)
        self._shares = [share / total for _, share in groups]
        self._left = [rows[:0] for rows in self._groups]

    def take(self, size: int) -> NDArray[np.int32]:
        """The next examples: (size,)."""
        counts = np.floor(np.array(self._shares) * size).astype(int)
        counts[int(np.argmax(self._shares))] += size - counts.sum()
        taken = [self._next(group, count) for group, count in enumerate(counts.tolist())]
        return np.concatenate(taken).astype(np.int32)

    def _next(self, group: int, count: int) -> NDArray[np.int64]:
        while len(self._left[group]) < count:
            self._left[group] = np.concatenate([self._left[group], self._shuffled(group)])
        taken, self._left[group] = self._left[group][:count], self._left[group][count:]
        return taken

    def _shuffled(self, group: int) -> NDArray[np.int64]:
        rows = self._rng.permutation(self._groups[group])
        kept = self._rng.random(len(rows)) < self._formulaic_share
        shuffled: NDArray[np.int64] = rows[kept | ~self._formulaic[rows]]
        return shuffled
