"""Greedy and beam search over any step function, in the graph. Greedy is a beam of one.

The search knows no network: a step takes the last tokens and a state and gives log-probabilities.
Filters steer it; the numbers that are reported come from the unconstrained model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from keras import ops, tree

from model import utf8
from model.attention import Tensor
from model.tokenizer import EOS_ID, PAD_ID

REFUSED = -1e4
"""Added to what a filter refuses: it loses to anything else, yet something always remains."""

IMPOSSIBLE = -1e9

State = tuple[Tensor, ...]
StepFunction = Callable[[Tensor, State], tuple[Tensor, State]]
"""(last tokens (B, K), state (B, K, …)) -> (log-probabilities (B, K, V), state)."""


class SearchOptions(NamedTuple):
    """Limits of a search, one a text; `<eos>` counts as a token."""

    max_new_tokens: Tensor  # int32 (B,)
    min_new_tokens: Tensor  # int32 (B,)
    length_penalty: Tensor  # float32 (B,)
    num_beams: Any  # int or int32 scalar
    strict_support: Any = True  # bool or bool (B,): names and numbers as the source has them


class Moment(NamedTuple):
    """What a filter may look at when it judges the next token."""

    step: Tensor  # int32 scalar, tokens emitted so far
    ids: Tensor  # int32 (B, K, T), padded with 0
    options: SearchOptions


class Filter(Protocol):
    """Judges the next token of every hypothesis; its state is (B, K, …), one tensor or several."""

    def start(self, zeros: Tensor) -> Any:
        """The state before the first token; `zeros` are int32 (B, K)."""

    def judge(self, log_probs: Tensor, state: Any, moment: Moment) -> Tensor:
        """Log-probabilities (B, K, V) with REFUSED added to what may not come."""

    def advance(self, state: Any, token_ids: Tensor) -> Any:
        """The state after tokens (B, K)."""


class OneNumber:
    """A filter whose state is one int32 a hypothesis, 0 at first, and stays so."""

    def start(self, zeros: Tensor) -> Tensor:
        """Nothing is written yet."""
        return zeros

    def advance(self, state: Tensor, token_ids: Tensor) -> Tensor:
        """Nothing to remember."""
        return state


class NeverTokens(OneNumber):
    """Refuses tokens that have no text, and the end before `min_new_tokens`."""

    def __init__(self, vocab_size: int, never_ids: Sequence[int]) -> None:
        self._never = np.zeros(vocab_size, np.float32)
        self._never[list(never_ids)] = IMPOSSIBLE
        self._end = np.zeros(vocab_size, np.float32)
        self._end[EOS_ID] = REFUSED

    def judge(self, log_probs: Tensor, state: Tensor, moment: Moment) -> Tensor:
        """Adds the constants."""
        early = moment.step + 1 < moment.options.min_new_tokens  # (B,)
        log_probs = log_probs + ops.convert_to_tensor(self._never)
        return log_probs + ops.cast(early, "float32")[:, None, None] * self._end


class NoRepeatedNgrams(OneNumber):
    """Refuses a token that would complete an n-gram of ids which the hypothesis has already."""

    def __init__(self, size: int, vocab_size: int) -> None:
        self.size, self.vocab_size = size, vocab_size

    def judge(self, log_probs: Tensor, state: Tensor, moment: Moment) -> Tensor:
        """Finds earlier places of the last n - 1 tokens and refuses what followed them."""
        ids, step, prefix = moment.ids, moment.step, self.size - 1
        length = ops.shape(ids)[2]
        positions = ops.arange(length)  # (T,)
        # True at p when the tokens before p are the last tokens, and p itself is written.
        matches = ops.logical_and(positions >= prefix, positions < step)[None, None, :]
        matches = ops.logical_and(matches, step >= self.size)
        for back in range(1, prefix + 1):
            at = ops.maximum(step - back, 0)
            last = ops.take(ids, at, axis=2)[:, :, None]  # (B, K, 1)
            shifted = ops.take(ids, ops.maximum(positions - back, 0), axis=2)  # (B, K, T)
            matches = ops.logical_and(matches, ops.equal(shifted, last))
        penalty = ops.where(matches, REFUSED, 0.0)  # (B, K, T)
        return log_probs + add_by_id(ids, penalty, self.vocab_size)


class ValidUtf8(OneNumber):
    """Refuses bytes that break a character, and those that leave no room to complete one."""

    def __init__(self, token_bytes: Sequence[bytes]) -> None:
        self._after = utf8.transitions(token_bytes, end_ids=[EOS_ID])
        missing = utf8.tokens_missing(self._after)
        self._missing = np.where(self._after == utf8.REFUSED, 0, missing[self._after])

    def judge(self, log_probs: Tensor, state: Tensor, moment: Moment) -> Tensor:
        """Looks the hypotheses' states up."""
        after = ops.take(ops.convert_to_tensor(self._after), state, axis=0)  # (B, K, V)
        missing = ops.take(ops.convert_to_tensor(self._missing), state, axis=0)  # (B, K, V)
        left = moment.options.max_new_tokens - moment.step - 1  # (B,)
        refused = ops.logical_or(after == utf8.REFUSED, missing > left[:, None, None])
        return log_probs + ops.where(refused, REFUSED, 0.0)

    def advance(self, state: Tensor, token_ids: Tensor) -> Tensor:
        """Follows the table; after a broken character a new one begins."""
        table = ops.convert_to_tensor(self._after.reshape(-1))
        after = ops.take(table, state * self._after.shape[1] + token_ids, axis=0)
        return ops.maximum(after, utf8.WHOLE)


class Hypotheses(NamedTuple):
    """The beam: (B, K, …)."""

    ids: Tensor  # int32 (B, K, T)
    last: Tensor  # int32 (B, K)
    log_prob: Tensor  # float32 (B, K)
    length: Tensor  # int32 (B, K), `<eos>` counted
    finished: Tensor  # bool (B, K)
    filter_states: tuple[Any, ...]  # (B, K, …) each
    state: State


class Found(NamedTuple):
    """The hypotheses of every text, the best first."""

    ids: Tensor  # int32 (B, K, T), padded with 0
    scores: Tensor  # float32 (B, K), log-probability over length penalty


def search(
    step: StepFunction,
    state: State,
    start_ids: Tensor,
    options: SearchOptions,
    filters: Sequence[Filter] = (),
) -> Found:
    """Beam search with the length penalty of Wu et al. 2016, section 7.

    Args:
        step: Predicts the next token of every hypothesis.
        state: Its state before the first step, each part (B, …) without a beam axis.
        start_ids: int32 (B,), the first token fed; not part of the summary.
        options: Limits, penalty and beam width K.
        filters: Applied in order to every step's log-probabilities.

    Returns:
        All K hypotheses by log_prob / ((5 + length) / 6) ** length_penalty, falling.
    """
    beam = _first(state, start_ids, options, filters)
    longest = ops.max(options.max_new_tokens)

    def go_on(step_number: Tensor, beam: Hypotheses) -> Tensor:
        return ops.logical_and(step_number < longest, ops.logical_not(ops.all(beam.finished)))

    def advance(step_number: Tensor, beam: Hypotheses) -> tuple[Tensor, Hypotheses]:
        return step_number + 1, _advance(step, step_number, beam, options, filters)

    first_step = ops.zeros((), "int32")
    _, beam = ops.while_loop(go_on, advance, (first_step, beam))
    score = beam.log_prob / penalty(beam.length, options.length_penalty)  # (B, K)
    scores, order = ops.top_k(score, options.num_beams)  # (B, K)
    return Found(ops.take_along_axis(beam.ids, order[:, :, None], axis=1), scores)


def penalty(length: Tensor, exponent: Tensor) -> Tensor:
    """((5 + length) / 6) ** exponent, for (B, …) lengths and (B,) exponents."""
    shape = (-1,) + (1,) * (len(length.shape) - 1)
    return ops.power((5.0 + ops.cast(length, "float32")) / 6.0, ops.reshape(exponent, shape))


def add_by_id(ids: Tensor, values: Tensor, vocab_size: int) -> Tensor:
    """Sums values (B, K, N) that belong to token ids (B, K, N) into (B, K, V)."""
    shape = ops.shape(values)
    rows = ops.repeat(ops.arange(shape[0] * shape[1]), shape[2])
    indices = ops.stack([rows, ops.cast(ops.reshape(ids, (-1,)), rows.dtype)], axis=1)
    flat = ops.scatter(indices, ops.reshape(values, (-1,)), (shape[0] * shape[1], vocab_size))
    return ops.reshape(flat, (shape[0], shape[1], vocab_size))


def _first(
    state: State, start_ids: Tensor, options: SearchOptions, filters: Sequence[Filter]
) -> Hypotheses:
    batch, beams = ops.shape(start_ids)[0], options.num_beams
    longest = ops.max(options.max_new_tokens)
    zeros = ops.zeros((batch, beams), "int32")
    # All hypotheses are alike before the first step: only one of them may have children.
    log_prob = ops.where(ops.arange(beams) > 0, IMPOSSIBLE, 0.0)[None, :]
    return Hypotheses(
        ids=ops.zeros((batch, beams, longest), "int32"),
        last=zeros + ops.cast(start_ids, "int32")[:, None],
        log_prob=log_prob + ops.zeros((batch, beams)),
        length=zeros,
        finished=zeros > 0,
        filter_states=tuple(one.start(zeros) for one in filters),
        state=tuple(ops.repeat(part[:, None], beams, axis=1) for part in state),
    )


def _advance(
    step: StepFunction,
    step_number: Tensor,
    beam: Hypotheses,
    options: SearchOptions,
    filters: Sequence[Filter],
) -> Hypotheses:
    log_probs, state = step(beam.last, beam.state)  # (B, K, V)
    moment = Moment(step_number, beam.ids, options)
    for one, filter_state in zip(filters, beam.filter_states, strict=True):
        log_probs = one.judge(log_probs, filter_state, moment)
    vocab_size = log_probs.shape[-1]
    only_pad = ops.where(ops.arange(vocab_size) == PAD_ID, 0.0, IMPOSSIBLE)
    log_probs = ops.where(beam.finished[:, :, None], only_pad, log_probs)
    total = beam.log_prob[:, :, None] + log_probs
    length = ops.where(beam.finished, beam.length, step_number + 1)
    ranked = total / penalty(length, options.length_penalty)[:, :, None]
    flat = ops.reshape(ranked, (ops.shape(ranked)[0], options.num_beams * vocab_size))
    _, index = ops.top_k(flat, options.num_beams)  # (B, K)
    parent, token = index // vocab_size, index % vocab_size
    chosen = ops.take_along_axis(ops.reshape(total, ops.shape(flat)), index, axis=1)
    kept = _reorder(beam._replace(state=state, length=length), parent)
    return _extend(kept, step_number, token, chosen, options, filters)


def _reorder(beam: Hypotheses, parent: Tensor) -> Hypotheses:
    def pick(part: Tensor) -> Tensor:
        index = ops.reshape(parent, (*ops.shape(parent), *(1,) * (len(part.shape) - 2)))
        return ops.take_along_axis(part, index, axis=1)

    return Hypotheses(
        ids=pick(beam.ids),
        last=pick(beam.last),
        log_prob=beam.log_prob,
        length=pick(beam.length),
        finished=pick(beam.finished),
        filter_states=tree.map_structure(pick, beam.filter_states),
        state=tuple(pick(part) for part in beam.state),
    )


def _extend(
    beam: Hypotheses,
    step_number: Tensor,
    token: Tensor,
    log_prob: Tensor,
    options: SearchOptions,
    filters: Sequence[Filter],
) -> Hypotheses:
    here = ops.arange(ops.shape(beam.ids)[2]) == step_number  # (T,)
    full = (step_number + 1 >= options.max_new_tokens)[:, None]  # (B, 1)
    ended = ops.logical_or(token == EOS_ID, full)
    return beam._replace(
        ids=ops.where(here[None, None, :], token[:, :, None], beam.ids),
        last=token,
        log_prob=log_prob,
        finished=ops.logical_or(beam.finished, ended),
        filter_states=tuple(
            one.advance(part, token) for one, part in zip(filters, beam.filter_states, strict=True)
        ),
    )
