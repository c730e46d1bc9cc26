"""Greedy and beam search over any step function, in the graph. Greedy is a beam of one.

The search knows no network: a step takes the last tokens and a state and gives log-probabilities.
Filters steer it; the numbers that are reported come from the unconstrained model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras import ops, tree

from model.attention import Tensor
from model.steering.choices import Choices, Offer, all_tokens, gather, pick
from model.steering.filters import IMPOSSIBLE, Filter, Moment, SearchOptions
from model.tokenizer import EOS_ID, PAD_ID

HEADWAY = 6
"""Tokens that a hypothesis may still write at no cost before others are taken to have won."""

GROUPS, GROUP = 16, 16
"""A step first looks only at the groups of choices in which the likeliest are."""

LEAST_NARROWED = 2 * GROUPS * GROUP
"""Of so few choices all are looked at."""

State = tuple[Tensor, ...]
StepFunction = Callable[[Tensor, State], tuple[Tensor, State]]
"""(last tokens (B, K), state (B, K, …)) -> (log-probabilities of the choices (B, K, C), state)."""


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
    choices: Choices | None = None,
) -> Found:
    """Beam search with the length penalty of Wu et al. 2016, section 7.

    Args:
        step: Predicts the next token of every hypothesis.
        state: Its state before the first step, each part (B, …) without a beam axis.
        start_ids: int32 (B,), the first token fed; not part of the summary.
        options: Limits, penalty and beam width K.
        filters: Applied in order to every step's log-probabilities.
        choices: What a step's log-probabilities are of; all tokens, if nothing is said.

    Returns:
        All K hypotheses by log_prob / ((5 + length) / 6) ** length_penalty, falling.
    """
    beam = _first(state, start_ids, options, filters)
    longest = options.longest

    def go_on(step_number: Tensor, beam: Hypotheses) -> Tensor:
        return ops.logical_and(step_number < longest, ops.logical_not(ops.all(beam.finished)))

    def advance(step_number: Tensor, beam: Hypotheses) -> tuple[Tensor, Hypotheses]:
        return step_number + 1, _advance(step, step_number, beam, options, filters, choices)

    first_step = ops.zeros((), "int32")
    _, beam = ops.while_loop(go_on, advance, (first_step, beam))
    score = beam.log_prob / penalty(beam.length, options.length_penalty)  # (B, K)
    scores, order = ops.top_k(score, options.num_beams)  # (B, K)
    return Found(_of_parents(beam.ids, _flat(order)), scores)


def penalty(length: Tensor, exponent: Tensor) -> Tensor:
    """((5 + length) / 6) ** exponent, for (B, …) lengths and (B,) exponents."""
    shape = (-1,) + (1,) * (len(length.shape) - 1)
    return ops.power((5.0 + ops.cast(length, "float32")) / 6.0, ops.reshape(exponent, shape))


def _first(
    state: State, start_ids: Tensor, options: SearchOptions, filters: Sequence[Filter]
) -> Hypotheses:
    batch, beams = ops.shape(start_ids)[0], options.num_beams
    longest = options.longest
    zeros = ops.zeros((batch, beams), "int32")
    nothing = ops.zeros((batch, beams, longest), "int32")
    # All hypotheses are alike before the first step: only one of them may have children.
    log_prob = ops.where(ops.arange(beams) > 0, IMPOSSIBLE, 0.0)[None, :]
    return Hypotheses(
        ids=nothing,
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
    choices: Choices | None,
) -> Hypotheses:
    log_probs, state = step(beam.last, beam.state)  # (B, K, C)
    choices = choices or all_tokens(ops.shape(log_probs)[2])
    length = ops.where(beam.finished, beam.length, step_number + 1)
    divisor = penalty(length, options.length_penalty)  # (B, K)

    def rank(offer: Offer) -> tuple[Tensor, Tensor, Tensor]:
        """The best scores (B, K), their parents and their tokens."""
        judged = offer.pick(log_probs)  # (B, K, N)
        moment = Moment(step_number, beam.ids, options, offer)
        for one, filter_state in zip(filters, beam.filter_states, strict=True):
            judged = one.judge(judged, filter_state, moment)
        count = ops.shape(judged)[2]
        only_pad = ops.where(ops.arange(count) == PAD_ID, 0.0, IMPOSSIBLE)
        judged = ops.where(beam.finished[:, :, None], only_pad, judged)
        total = (beam.log_prob[:, :, None] + judged) / divisor[:, :, None]
        flat = ops.reshape(total, (-1, options.num_beams * count))
        best, index = ops.top_k(flat, options.num_beams)  # (B, K)
        parent, place = index // count, index % count
        if offer.places is None:
            return best, parent, choices.tokens(place)
        return best, parent, pick(ops.reshape(offer.ids, ops.shape(flat)), index)

    everything = Offer(choices.ids[:, None])
    if choices.num_common < LEAST_NARROWED:
        best, parent, token = rank(everything)
    else:
        offer, outside = likeliest(log_probs, beam.finished, choices)
        narrow = rank(offer)
        outside = ops.where(beam.finished, IMPOSSIBLE, outside)
        reachable = ops.max((beam.log_prob + outside) / divisor, axis=1)
        sure = ops.all(narrow[0][:, -1] > reachable)
        best, parent, token = ops.cond(sure, lambda: narrow, lambda: rank(everything))
    rows = _flat(parent)
    kept = _reorder(beam._replace(state=state, length=length), rows)
    log_prob = best * _of_parents(divisor, rows)
    return _extend(kept, step_number, token, log_prob, options, filters)


def likeliest(log_probs: Tensor, finished: Tensor, choices: Choices) -> tuple[Offer, Tensor]:
    """Some choices of each hypothesis, and a bound (B, K) on the log-probability of all others.

    A finished hypothesis is offered the first choices, among which padding is.
    """
    batch, beams, count = ops.shape(log_probs)
    width = count // GROUP
    # A group is every width-th choice: the common ones, which come first, are spread over all.
    groups = ops.reshape(log_probs[:, :, : width * GROUP], (batch, beams, GROUP, width))
    best, group = ops.top_k(ops.max(groups, axis=2), GROUPS + 1)  # (B, K, groups)
    index = group[:, :, None, :GROUPS] + (ops.arange(GROUP) * width)[:, None]
    index = ops.reshape(index, (batch, beams, GROUPS * GROUP))
    left_over = ops.broadcast_to(ops.arange(width * GROUP, count), (batch, beams, count % GROUP))
    index = ops.concatenate([index, left_over], axis=2)
    index = ops.where(finished[:, :, None], ops.arange(ops.shape(index)[2]), index)
    return Offer(choices.tokens(index), index), best[:, :, GROUPS]


def _flat(index: Tensor) -> Tensor:
    """Indices (B, K) into a beam as rows of B x K."""
    batch, beams = ops.shape(index)[0], ops.shape(index)[1]
    return index + ops.cast(ops.arange(batch) * beams, index.dtype)[:, None]


def _of_parents(part: Tensor, rows: Tensor) -> Tensor:
    """The parts (B, K, …) of the hypotheses that `rows` (B, K) names."""
    flat = ops.reshape(part, (-1, *ops.shape(part)[2:]))
    return gather(flat, rows)


def _reorder(beam: Hypotheses, rows: Tensor) -> Hypotheses:
    def pick(part: Tensor) -> Tensor:
        return _of_parents(part, rows)

    return Hypotheses(
        ids=pick(beam.ids),
        last=beam.last,
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
    here = (ops.arange(ops.shape(beam.ids)[2]) == step_number)[None, None, :]  # (1, 1, T)
    full = (step_number + 1 >= options.max_new_tokens)[:, None]  # (B, 1)
    ended = ops.logical_or(token == EOS_ID, full)
    finished = ops.logical_or(beam.finished, ended)
    settled = _settled(log_prob, beam.length, finished, options)
    return beam._replace(
        ids=ops.where(here, token[:, :, None], beam.ids),
        last=token,
        log_prob=log_prob,
        finished=ops.logical_or(finished, settled[:, None]),
        filter_states=tuple(
            one.advance(part, token) for one, part in zip(filters, beam.filter_states, strict=True)
        ),
    )


def _settled(log_prob: Tensor, length: Tensor, finished: Tensor, options: SearchOptions) -> Tensor:
    """(B,): whether as many hypotheses are finished as are wanted, and no other will beat them.

    A hypothesis can win by growing, since the penalty rewards length. It is given `HEADWAY` more
    tokens at no cost; beyond that it is taken to lose. With `num_candidates` None nothing is
    settled before all hypotheses are finished.
    """
    if options.num_candidates is None:
        return ops.all(finished, axis=1)
    furthest = ops.minimum(length + HEADWAY, options.max_new_tokens[:, None])
    reachable = log_prob / penalty(ops.where(finished, length, furthest), options.length_penalty)
    order = ops.sort(ops.where(finished, reachable, IMPOSSIBLE), axis=1)  # (B, K), rising
    wanted = ops.minimum(options.num_candidates, options.num_beams)
    least = ops.take(order, options.num_beams - wanted, axis=1)  # (B,)
    hopes = ops.where(finished, IMPOSSIBLE, reachable)
    return ops.logical_and(least > 0.5 * IMPOSSIBLE, least >= ops.max(hopes, axis=1))
