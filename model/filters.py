"""What steers a search: limits, and filters that judge the next token of every hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from keras import ops
from numpy.typing import NDArray

from model import utf8
from model.attention import Tensor
from model.choices import NO_CHOICE, Choices, add_at
from model.tokenizer import EOS_ID

REFUSED = -1e4
"""Added to what a filter refuses: it loses to anything else, yet something always remains."""

IMPOSSIBLE = NO_CHOICE

_NEVER_FITS = 1 << 20


class SearchOptions(NamedTuple):
    """Limits of a search, one a text; `<eos>` counts as a token."""

    max_new_tokens: Tensor  # int32 (B,)
    min_new_tokens: Tensor  # int32 (B,)
    length_penalty: Tensor  # float32 (B,)
    num_beams: Any  # int or int32 scalar
    strict_support: Any = True  # bool or bool (B,): names and numbers as the source has them
    num_candidates: Any = None  # int or int32 scalar, hypotheses to finish; None is all


class Moment(NamedTuple):
    """What a filter may look at when it judges the next token."""

    step: Tensor  # int32 scalar, tokens emitted so far
    chosen: Tensor  # int32 (B, K, T), the choices so far, padded with 0
    options: SearchOptions


class Filter(Protocol):
    """Judges the next token of every hypothesis; its state is (B, K, …), one tensor or several."""

    def start(self, zeros: Tensor) -> Any:
        """The state before the first token; `zeros` are int32 (B, K)."""

    def judge(self, log_probs: Tensor, state: Any, moment: Moment) -> Tensor:
        """Log-probabilities (B, K, C) with REFUSED added to what may not come."""

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

    def __init__(self, choices: Choices, never_ids: Sequence[int], vocab_size: int) -> None:
        never, end = np.zeros(vocab_size, np.float32), np.zeros(vocab_size, np.float32)
        never[list(never_ids)], end[EOS_ID] = IMPOSSIBLE, REFUSED
        self._never, self._end = choices.of(never), choices.of(end)  # (B, 1, C)

    def judge(self, log_probs: Tensor, state: Tensor, moment: Moment) -> Tensor:
        """Adds the constants."""
        early = moment.step + 1 < moment.options.min_new_tokens  # (B,)
        early = ops.cast(early, "float32")[:, None, None]
        return log_probs + (self._never + early * self._end)


class NoRepeatedNgrams(OneNumber):
    """Refuses a token that would complete an n-gram which the hypothesis has already."""

    def __init__(self, size: int) -> None:
        self.size = size

    def judge(self, log_probs: Tensor, state: Tensor, moment: Moment) -> Tensor:
        """Finds earlier places of the last n - 1 tokens and refuses what followed them."""
        chosen, step, prefix = moment.chosen, moment.step, self.size - 1
        positions = ops.arange(ops.shape(chosen)[2])  # (T,)
        # True at p when the tokens before p are the last tokens, and p itself is written.
        matches = ops.logical_and(positions >= prefix, positions < step)[None, None, :]
        matches = ops.logical_and(matches, step >= self.size)
        for back in range(1, prefix + 1):
            here = ops.equal(positions, step - back)  # (T,)
            last = ops.sum(ops.where(here, chosen, 0), axis=2, keepdims=True)  # (B, K, 1)
            shifted = ops.concatenate([chosen[:, :, :1]] * back + [chosen], axis=2)
            shifted = shifted[:, :, : ops.shape(chosen)[2]]  # (B, K, T)
            matches = ops.logical_and(matches, ops.equal(shifted, last))
        penalty = ops.where(matches, REFUSED, 0.0)  # (B, K, T)
        return log_probs + add_at(chosen, penalty, ops.shape(log_probs)[2])


class ValidUtf8(OneNumber):
    """Refuses bytes that break a character, and those that leave no room to complete one."""

    def __init__(self, choices: Choices, after: NDArray[np.int32]) -> None:
        """`after` is the table of `utf8.transitions`."""
        missing = utf8.tokens_missing(after)[after]
        needed = np.where(after == utf8.REFUSED, _NEVER_FITS, missing)  # (states, V)
        self._choices, self._after, self._vocab_size = choices, after, after.shape[1]
        self._needed = ops.convert_to_tensor(needed.reshape(-1))
        self._needed_when_whole = choices.of(needed[utf8.WHOLE])  # (B, 1, C)

    def judge(self, log_probs: Tensor, state: Tensor, moment: Moment) -> Tensor:
        """Looks the hypotheses' states up; between two characters all are alike."""
        left = (moment.options.max_new_tokens - moment.step - 1)[:, None, None]  # (B, 1, 1)

        def whole() -> Tensor:
            return log_probs + ops.where(self._needed_when_whole > left, REFUSED, 0.0)

        def within() -> Tensor:
            index = state[:, :, None] * self._vocab_size + self._choices.ids[:, None, :]
            return log_probs + ops.where(ops.take(self._needed, index) > left, REFUSED, 0.0)

        return ops.cond(ops.all(state == utf8.WHOLE), whole, within)

    def advance(self, state: Tensor, token_ids: Tensor) -> Tensor:
        """Follows the table; after a broken character a new one begins."""
        table = ops.convert_to_tensor(self._after.reshape(-1))
        after = ops.take(table, state * self._vocab_size + token_ids, axis=0)
        return ops.maximum(after, utf8.WHOLE)
