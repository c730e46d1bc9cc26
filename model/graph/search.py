"""Beam search as `model.decoding` defines it, with the filters of `Inference`.

The K hypotheses of a text are rows that lie together, R = B K of them. No history is moved but
that of what was chosen: of each token, the row that wrote it and the choice that it is, as one
number, `row * C + choice`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from model.attention import Tensor
from model.decoding import GROUPS, HEADWAY, LEAST_NARROWED
from model.graph.choices import GROUP
from model.graph.rules import Followed, Places, Rules, Steps
from model.steering.filters import IMPOSSIBLE, SearchOptions
from model.summarizer import LOG_FLOOR
from model.tokenizer import EOS_ID, PAD_ID

State = tuple[Tensor, Tensor]
Network = Callable[[Tensor, State, Tensor], tuple[Tensor, Tensor, State]]
"""int32 (N,) tokens, the state, (N, D) twice, and the choice of every source position among those
of all rows, int32 (N, S) -> probabilities of all choices (N, C), what the scores are computed from
(N, D), and the new state."""


class Found(NamedTuple):
    """The hypotheses of every text, the best first, and what wrote the best, in t steps."""

    ids: Tensor  # int32 (B, K, t)
    scores: Tensor  # float32 (B, K)
    hidden: Tensor  # float32 (B, t, D)


class _Rows(NamedTuple):
    """What is compared of N rows: K of each text, finished or not."""

    places: Places
    log_prob: Tensor  # (N, 1)
    divisor: Tensor  # (N, 1)
    finished: Tensor  # bool (N, 1)
    states: Tensor  # int32 (N,)
    now: Steps  # (N, 1)


class _Beam(NamedTuple):
    """What a step hands to the next."""

    token_ids: Tensor  # int32 (R,)
    log_prob: Tensor  # (B, K)
    divisor: Tensor  # (B, K): the penalty of the length
    finished: Tensor  # bool (B, K)
    hidden: Tensor  # (R, D)
    cell: Tensor  # (R, D)
    states: Tensor  # int32 (R,)
    places: Tensor  # bool (R, S)
    history: Tensor  # int32 (R, t + 2)
    written: Tensor  # a list of T times (R, D)


_RANKS = (1, 2, 2, 2, 2, 2, 1, 2, 2, 0)
"""Of its parts; in a loop a list is one scalar."""


def search(
    network: Network,
    rules: Rules,
    state: State,
    start_ids: Tensor,
    options: SearchOptions,
    rows: Tensor,
) -> Found:
    """Finds what `model.decoding.search` finds, without padding behind the last step.

    Args:
        network: One step.
        rules: What may come, for `rows`.
        state: Of the network before the first step, (B, D) each.
        start_ids: int32 (B,), the first token fed.
        options: As tensors; `num_candidates` too.
        rows: int32 (R,), the text of each row.
    """
    return _Search(network, rules, options, rows).run(state, start_ids)


class _Search:
    def __init__(self, network: Network, rules: Rules, options: SearchOptions, rows: Tensor):
        self._network, self._rules, self._options, self._texts = network, rules, options, rows
        self._count = rules.choices.count
        self._beams = options.num_beams
        self._batch = tf.size(rows) // self._beams
        self._shape = tf.stack([self._batch, self._beams])
        self._longest = tf.reduce_max(options.max_new_tokens)
        self._steps = rules.steps(options, self._longest)
        self._wanted = tf.minimum(options.num_candidates, self._beams)
        written = tf.range(self._longest)[:, None] + 1  # (T, 1)
        furthest = tf.minimum(written + HEADWAY, options.max_new_tokens)
        self._full = (written >= options.max_new_tokens)[:, :, None]  # (T, B, 1)
        self._divisors = self._penalty(written)[:, :, None]
        self._furthest = self._penalty(furthest)[:, :, None]

    def _penalty(self, length: Tensor) -> Tensor:
        return tf.pow((5.0 + tf.cast(length, tf.float32)) / 6.0, self._options.length_penalty)

    def run(self, state: State, start_ids: Tensor) -> Found:
        beam = self._first(state, start_ids)

        def go_on(step: Tensor, beam: _Beam) -> Tensor:
            done = tf.reduce_all(beam.finished)
            return tf.logical_and(step < self._longest, tf.logical_not(done))

        def advance(step: Tensor, beam: _Beam) -> tuple[Tensor, _Beam]:
            return step + 1, self._advance(step, beam)

        shapes = _Beam(*(tf.TensorShape([None] * rank) for rank in _RANKS))
        dim = beam.hidden.shape[1]
        rows = tf.TensorShape([None, dim])
        shapes = shapes._replace(hidden=rows, cell=rows)
        _, beam = tf.while_loop(
            go_on,
            advance,
            (tf.constant(1), beam),
            shape_invariants=(tf.TensorShape([]), shapes),
            parallel_iterations=1,
        )
        return self._found(beam)

    def _first(self, state: State, start_ids: Tensor) -> _Beam:
        """The first step, in which the hypotheses of a text are still one."""
        rules, texts, count = self._rules, tf.range(self._batch), self._count
        slots = rules.choices.slots + texts[:, None] * count
        probabilities, written, state = self._network(start_ids, state, slots)
        one_each = texts * self._beams
        now = Steps(*(tf.gather(part, one_each) for part in self._steps.at(tf.constant(0))))
        flat = tf.reshape(probabilities, (-1,))

        def rank(index: Tensor) -> tuple[Tensor, Tensor]:
            places = index + texts[:, None] * count
            judged = tf.math.log(tf.gather(flat, places) + LOG_FLOOR)
            judged = (judged + rules.judge_first(index, now)) / self._divisors[0]
            best, found = tf.math.top_k(judged, self._beams)
            return best, tf.gather(index, found, batch_dims=1)

        index, bound = self._likeliest(probabilities)
        best, choice = rank(index)
        if bound is not None:
            sure = tf.reduce_all(best[:, -1:] > bound / self._divisors[0])
            everything = tf.zeros_like(index[:, :1]) + tf.range(count)
            best, choice = tf.cond(sure, lambda: (best, choice), lambda: rank(everything))
        divisor = tf.zeros(self._shape) + self._divisors[0]
        log_prob = best * divisor
        choice = tf.reshape(choice, (-1,))
        places = choice + self._texts * count
        token_ids = tf.gather(rules.choices.ids, places)
        followed = rules.follow(rules.start(), token_ids, places, first=True)
        written_size = (None, written.shape[1])
        list_ = tf.TensorArray(tf.float32, self._longest, element_shape=written_size)
        empty = tf.fill((tf.size(self._texts), 2), count - 1)
        wrote = tf.gather(one_each, self._texts) * count + choice
        return _Beam(
            token_ids=token_ids,
            log_prob=log_prob,
            divisor=divisor,
            finished=self._finished(
                tf.constant(0), token_ids, tf.zeros(self._shape, tf.bool), best, log_prob
            ),
            hidden=tf.gather(state[0], self._texts),
            cell=tf.gather(state[1], self._texts),
            states=followed.states,
            places=followed.places,
            history=tf.concat([empty, wrote[:, None]], axis=1),
            written=list_.write(0, tf.gather(written, self._texts)),
        )

    def _advance(self, step: Tensor, beam: _Beam) -> _Beam:
        rules, count = self._rules, self._count
        probabilities, written, (hidden, cell) = self._network(
            beam.token_ids, (beam.hidden, beam.cell), rules.slots
        )
        now = self._steps.at(step)
        divisor = tf.where(beam.finished, beam.divisor, tf.gather(self._divisors, step))  # (B, K)
        counts = rules.counts(
            Followed(beam.states, beam.places), tf.math.floormod(beam.history, count), now
        )
        best, chosen = self._best(probabilities, counts, divisor, now, beam)
        row, choice = chosen // count, chosen % count  # (R,)
        places = choice + self._texts * count
        token_ids = tf.gather(rules.choices.ids, places)
        followed = Followed(tf.gather(beam.states, row), tf.gather(beam.places, row))
        followed = rules.follow(followed, token_ids, places)
        divisor = tf.reshape(tf.gather(tf.reshape(divisor, (-1,)), row), self._shape)
        finished = tf.reshape(tf.gather(tf.reshape(beam.finished, (-1,)), row), self._shape)
        log_prob = best * divisor
        return _Beam(
            token_ids=token_ids,
            log_prob=log_prob,
            divisor=divisor,
            finished=self._finished(step, token_ids, finished, best, log_prob),
            hidden=tf.gather(hidden, row),
            cell=tf.gather(cell, row),
            states=followed.states,
            places=followed.places,
            history=tf.concat([tf.gather(beam.history, row), chosen[:, None]], axis=1),
            written=beam.written.write(step, written),
        )

    def _best(
        self, probabilities: Tensor, counts: Tensor, divisor: Tensor, now: Steps, beam: _Beam
    ) -> tuple[Tensor, Tensor]:
        """Of each text the K best: scores (B, K), and what they are as `row * C + choice` (R,)."""
        flat = tf.reshape(probabilities, (-1,))
        index, bound = self._likeliest(probabilities)
        finished = tf.reshape(beam.finished, (-1, 1))
        # One that is finished goes on with padding, which is the first choice.
        index = tf.where(finished, tf.range(tf.shape(index)[1]), index)
        rows = _Rows(
            self._rules.places(index),
            tf.reshape(beam.log_prob, (-1, 1)),
            tf.reshape(divisor, (-1, 1)),
            finished,
            beam.states,
            now,
        )
        best, chosen = self._rank(rows, flat, counts)
        if bound is None:
            return best, tf.reshape(chosen, (-1,))
        reachable = (rows.log_prob + tf.where(finished, IMPOSSIBLE, bound)) / rows.divisor
        reachable = tf.reduce_max(tf.reshape(reachable, self._shape), axis=1)
        unsure = best[:, -1] <= reachable  # (B,)

        def everything() -> tuple[Tensor, Tensor]:
            """Looks at all choices of the texts for which it may matter."""
            texts = tf.where(unsure)
            kept = tf.reshape(texts * tf.cast(self._beams, tf.int64), (-1, 1))
            kept = tf.reshape(kept + tf.range(tf.cast(self._beams, tf.int64)), (-1,))
            index = tf.zeros_like(index_, tf.int32)[:, :1] + tf.range(self._count)
            places = Places(*(tf.gather(part, kept) for part in self._rules.places(index)))
            some = tf.nest.map_structure(
                lambda part: tf.gather(part, kept), rows._replace(places=places_of_none)
            )
            best_, chosen_ = self._rank(some._replace(places=places), flat, counts)
            return (
                tf.tensor_scatter_nd_update(best, texts, best_),
                tf.tensor_scatter_nd_update(chosen, texts, chosen_),
            )

        index_, places_of_none = index, Places((), ())
        best, chosen = tf.cond(tf.reduce_any(unsure), everything, lambda: (best, chosen))
        return best, tf.reshape(chosen, (-1,))

    def _rank(self, rows: _Rows, flat: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        places = rows.places.of_rows  # (N, M)
        judged = tf.math.log(tf.gather(flat, places) + LOG_FLOOR)
        judged = judged + self._rules.judge(rows.states, rows.places, counts, rows.now)
        only_pad = tf.where(tf.equal(tf.range(tf.shape(places)[1]), PAD_ID), 0.0, IMPOSSIBLE)
        judged = tf.where(rows.finished, only_pad, judged)
        total = (rows.log_prob + judged) / rows.divisor
        by_text = tf.stack([-1, self._beams * tf.shape(places)[1]])
        best, found = tf.math.top_k(tf.reshape(total, by_text), self._beams)
        return best, tf.gather(tf.reshape(places, by_text), found, batch_dims=1)

    def _likeliest(self, probabilities: Tensor) -> tuple[Tensor, Tensor | None]:
        """Some choices (N, M) of each row, and what the log-probability of no other exceeds."""
        rows = tf.shape(probabilities)[0]
        if self._rules.choices.num_common < LEAST_NARROWED:
            return tf.zeros((rows, 1), tf.int32) + tf.range(self._count), None
        # A group is every width-th choice: the common ones, which come first, are spread over all.
        width = self._count // GROUP
        groups = tf.reduce_max(tf.reshape(probabilities, (-1, GROUP, width)), axis=1)
        best, group = tf.math.top_k(groups, GROUPS + 1)
        index = group[:, :GROUPS, None] + tf.range(GROUP) * width
        return tf.reshape(index, (-1, GROUPS * GROUP)), tf.math.log(best[:, GROUPS:] + LOG_FLOOR)

    def _finished(
        self, step: Tensor, token_ids: Tensor, finished: Tensor, best: Tensor, log_prob: Tensor
    ) -> Tensor:
        """bool (B, K): those that ended, and all of a text where no other will win."""
        ended = tf.reshape(tf.equal(token_ids, EOS_ID), self._shape)
        finished = tf.logical_or(finished, tf.logical_or(ended, tf.gather(self._full, step)))
        reachable = log_prob / tf.gather(self._furthest, step)
        hopes = tf.reduce_max(tf.where(finished, IMPOSSIBLE, reachable), axis=1, keepdims=True)
        done = tf.math.top_k(tf.where(finished, best, IMPOSSIBLE), self._wanted).values[:, -1:]
        settled = tf.logical_and(done > 0.5 * IMPOSSIBLE, done >= hopes)
        return tf.logical_or(finished, settled)

    def _found(self, beam: _Beam) -> Found:
        scores, order = tf.math.top_k(beam.log_prob / beam.divisor, self._beams)
        first = (tf.range(self._batch) * self._beams)[:, None]
        history = tf.gather(beam.history[:, 2:], order + first)  # (B, K, t)
        texts = tf.range(self._batch)[:, None, None]
        ids = tf.gather(self._rules.choices.ids, history % self._count + texts * self._count)
        written = tf.shape(history)[2]
        rows = history[:, 0] // self._count + tf.range(written) * tf.size(self._texts)  # (B, t)
        every = tf.reshape(beam.written.stack(), (-1, beam.hidden.shape[1]))  # (T R, D)
        return Found(ids, scores, tf.gather(every, rows))
