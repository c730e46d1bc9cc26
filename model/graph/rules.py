"""What may come next and what not, for rows of hypotheses: the automaton and the source together.

A row is a hypothesis; the K rows of a text lie together. What depends on the step alone is made
for all steps beforehand.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from model.attention import Tensor
from model.graph.automaton import BEGUN, JOINED, Automaton
from model.graph.choices import FlatChoices
from model.steering.filters import REFUSED, SearchOptions
from model.steering.support_tables import SupportTables
from model.steering.supporting_source import SupportingSource
from model.tokenizer import EOS_ID

_AGAIN = 1 << 16
"""Counted for a refused token beside how often the source joins it."""


class Steps(NamedTuple):
    """Of every step and row, (T, R, 1) each."""

    left: Tensor  # int32: tokens after this one
    added: Tensor  # int32: where in `Automaton.added`
    early: Tensor  # int32: _AGAIN where the end may not come yet

    def at(self, step: Tensor) -> Steps:
        """Of one step, (R, 1) each."""
        return Steps(*(tf.gather(part, step) for part in self))


class Followed(NamedTuple):
    """What the rules remember of R rows."""

    states: Tensor  # int32 (R,), of the automaton
    places: Tensor  # bool (R, S): the source reads before here as the summary at its end


class Places(NamedTuple):
    """Of choices (R, N): where they are among those of all rows, and among those of all texts."""

    of_rows: Tensor
    of_texts: Tensor


class Rules:
    """Over given sources, for `rows`: the texts that rows belong to, int32 (R,)."""

    def __init__(
        self,
        automaton: Automaton,
        tables: SupportTables,
        source: SupportingSource,
        choices: FlatChoices,
        rows: Tensor,
    ) -> None:
        self._automaton, self._source = automaton, source
        self._class_of = tf.constant(automaton.class_of)
        self._needs, self._after = _compact(automaton.needs), _compact(automaton.after)
        self._added = tf.constant(automaton.added.reshape(-1))
        self._at_first, self._lower = tf.constant(automaton.at_first), tf.constant(tables.lower)
        self.choices, self._texts = choices, rows
        # By choice: what kind of token it is, and in how many tokens its word is whole.
        self._classes = tf.gather(self._class_of, choices.ids)  # (B C,)
        slots = tf.range(tf.shape(source.ids)[0])[:, None] * choices.count + choices.slots
        self._soonest = tf.math.unsorted_segment_min(source.remaining, slots, tf.size(choices.ids))
        self._ids = tf.gather(source.ids, rows)  # (R, S)
        self._complete = tf.gather(source.complete, rows)
        self._remaining = tf.gather(source.remaining, rows)
        self._row_start = tf.range(tf.size(rows))[:, None] * choices.count  # (R, 1)
        self._text_start = rows[:, None] * choices.count  # (R, 1)
        self.slots = tf.gather(choices.slots, rows) + self._row_start  # (R, S)

    def steps(self, options: SearchOptions, longest: Tensor) -> Steps:
        """Of all steps."""
        automaton = self._automaton
        step = tf.range(longest)[:, None]  # (T, 1)
        left = tf.maximum(options.max_new_tokens - step - 1, 0)  # (T, B)
        strict = tf.cast(options.strict_support, tf.int32)
        added = strict * automaton.num_left + tf.minimum(left, automaton.num_left - 1)
        added = added * automaton.left_stride + self._source.guilt * automaton.guilt_stride
        early = tf.where(step + 1 < options.min_new_tokens, _AGAIN, 0)
        return Steps(
            *(tf.gather(part, self._texts, axis=1)[:, :, None] for part in (left, added, early))
        )

    def start(self) -> Followed:
        """Before the first token."""
        states = tf.fill(tf.shape(self._texts), self._automaton.start)
        return Followed(states, tf.zeros_like(self._ids, tf.bool))

    def places(self, index: Tensor) -> Places:
        """Of the choices int32 (R, N) of each row."""
        return Places(index + self._row_start, index + self._text_start)

    def counts(self, followed: Followed, history: Tensor, now: Steps) -> Tensor:
        """How often the source joins each choice of each row, and _AGAIN where it is refused.

        `history` are the choices int32 (R, t + 2) of each row, two before the first token.
        """
        joined = tf.logical_and(followed.places, self._remaining <= now.left)
        # Where the last two tokens were written before, what followed them is refused.
        again = tf.logical_and(
            tf.equal(history[:, :-2], history[:, -2:-1]),
            tf.equal(history[:, 1:-1], history[:, -1:]),
        )
        counted = [tf.cast(joined, tf.int32), tf.cast(again, tf.int32) * _AGAIN, now.early]
        followers = history[:, 2:] + self._row_start
        places = [self.slots, followers, self._row_start + EOS_ID]
        return tf.scatter_nd(
            tf.reshape(tf.concat(places, axis=1), (-1, 1)),
            tf.reshape(tf.concat(counted, axis=1), (-1,)),
            tf.size(self._row_start) * self.choices.count[None],
        )

    def judge(self, states: Tensor, places: Places, counts: Tensor, now: Steps) -> Tensor:
        """What is added to the log-probabilities of choices (R, N)."""
        counted = tf.gather(counts, places.of_rows)
        joined = tf.minimum(tf.bitwise.bitwise_and(counted, _AGAIN - 1), JOINED)
        again = tf.bitwise.right_shift(counted, _AGAIN.bit_length() - 1)
        begun = tf.cast(tf.gather(self._soonest, places.of_texts) <= now.left, tf.int32)
        had = joined + BEGUN * begun
        kinds = tf.gather(self._classes, places.of_texts)
        needs = tf.gather(self._needs, kinds + (states * self._automaton.num_classes)[:, None])
        added = tf.gather(self._added, needs + had + now.added)
        return added + REFUSED * tf.cast(again, tf.float32)

    def judge_first(self, index: Tensor, now: Steps) -> Tensor:
        """What is added to the first tokens (B, N): those may be the source's with a capital.

        `now` is of texts, (B, 1) each.
        """
        source, vocab_size = self._source, self._class_of.shape[0]
        batch = tf.shape(source.ids)[0]
        texts = tf.range(batch)[:, None]
        places = index + texts * self.choices.count
        kinds = tf.gather(self._classes, places)
        in_time = tf.logical_and(source.remaining <= now.left, source.respellable)
        known = tf.math.unsorted_segment_max(
            tf.cast(in_time, tf.int32), source.ids + texts * vocab_size, batch * vocab_size
        )
        lower = tf.gather(self._lower, tf.gather(self.choices.ids, places))
        respelt = tf.gather(known, lower + texts * vocab_size) > 0
        begun = tf.logical_or(tf.gather(self._soonest, places) <= now.left, respelt)
        start = self._automaton.start * self._automaton.num_classes
        needs = tf.gather(self._needs, kinds + start)
        added = tf.gather(self._added, needs + BEGUN * tf.cast(begun, tf.int32) + now.added)
        early = tf.logical_and(tf.equal(index, EOS_ID), now.early > 0)
        return added + tf.where(early, REFUSED, 0.0) + tf.gather(self._at_first, kinds)

    def follow(
        self, followed: Followed, token_ids: Tensor, places: Tensor, *, first: bool = False
    ) -> Followed:
        """After int32 (R,) tokens, which are the choices of their texts at `places`."""
        kind = tf.gather(self._classes, places)
        both = tf.gather(self._after, followed.states * self._automaton.num_classes + kind)
        begins = tf.cast(tf.bitwise.bitwise_and(both, 1), tf.bool)[:, None]
        same = tf.equal(self._ids, token_ids[:, None])  # (R, S)
        if first:
            lower = tf.gather(self._lower, token_ids)[:, None]
            respelt = tf.gather(self._source.respellable, self._texts)
            same = tf.logical_or(same, tf.logical_and(tf.equal(self._ids, lower), respelt))
        here = tf.logical_and(same, tf.logical_or(begins, followed.places))
        whole = tf.reduce_any(tf.logical_and(here, self._complete), axis=1)
        states = tf.bitwise.right_shift(both, 1)
        states = tf.bitwise.bitwise_and(states, tf.where(whole, ~1, ~0))
        return Followed(states, tf.pad(here, [[0, 0], [1, 0]])[:, :-1])


def _compact(table: Any) -> Tensor:
    """A table of whole numbers, stored in as few bytes as they take."""
    return tf.cast(tf.constant(table.astype(np.min_scalar_type(table.max()))), tf.int32)
