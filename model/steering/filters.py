"""What steers a search: limits, and filters that judge the next token of every hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from keras import ops
from numpy.typing import NDArray

from model.attention import Tensor
from model.steering import utf8
from model.steering.choices import NO_CHOICE, Offer, gather
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

    @property
    def longest(self) -> Any:
        """The largest limit; a number if limits are NumPy's, since shapes hang on it in a jit."""
        limits = self.max_new_tokens
        return int(limits.max()) if isinstance(limits, np.ndarray) else ops.max(limits)


class Moment(NamedTuple):
    """What a filter may look at when it judges the next token."""

    step: Tensor  # int32 scalar, tokens emitted so far
    ids: Tensor  # int32 (B, K, T), the tokens so far, padded with 0
    options: SearchOptions
    offer: Offer  # N tokens to judge


class Filter(Protocol):
    """Judges the next token of every hypothesis; its state is (B, K, …), one tensor or several."""

    def start(self, zeros: Tensor) -> Any:
        """The state before the first token; `zeros` are int32 (B, K)."""

    def judge(self, log_probs: Tensor, state: Any, moment: Moment) -> Tensor:
        """Log-probabilities (B, K, N) with REFUSED or the like added to what may not come.

        Nothing may be raised: the search looks only at the likeliest first.
        """

    def advance(self, state: Any, token_ids: Tensor) -> Any:
        """The state after tokens (B, K)."""


class Stateless:
    """A filter that remembers nothing."""

    def start(self, zeros: Tensor) -> tuple[()]:
        """Nothing."""
        return ()

    def advance(self, state: tuple[()], token_ids: Tensor) -> tuple[()]:
        """Nothing to remember."""
        return state


class NeverTokens(Stateless):
    """Refuses tokens that have no text, and the end before `min_new_tokens`."""

    def __init__(self, never_ids: Sequence[int], vocab_size: int) -> None:
        never = np.zeros(vocab_size, np.float32)
        never[list(never_ids)] = IMPOSSIBLE
        self._never = ops.convert_to_tensor(never)

    def judge(self, log_probs: Tensor, state: tuple[()], moment: Moment) -> Tensor:
        """Adds the constants."""
        early = moment.step + 1 < moment.options.min_new_tokens  # (B,)
        ends = ops.logical_and(moment.offer.ids == EOS_ID, early[:, None, None])
        return log_probs + ops.where(ends, REFUSED, moment.offer.of(self._never))


class NoRepeatedNgrams(Stateless):
    """Refuses a token that would complete an n-gram which the hypothesis has already."""

    def __init__(self, size: int) -> None:
        self.size = size

    def judge(self, log_probs: Tensor, state: tuple[()], moment: Moment) -> Tensor:
        """Finds earlier places of the last n - 1 tokens and refuses what followed them."""
        ids, step, prefix = moment.ids, moment.step, self.size - 1
        positions = ops.arange(ops.shape(ids)[2])  # (T,)
        # True at p when the tokens before p are the last tokens, and p itself is written.
        matches = ops.logical_and(positions >= prefix, positions < step)[None, None, :]
        matches = ops.logical_and(matches, step >= self.size)
        for back in range(1, prefix + 1):
            here = ops.equal(positions, step - back)  # (T,)
            last = ops.sum(ops.where(here, ids, 0), axis=2, keepdims=True)  # (B, K, 1)
            shifted = ops.concatenate([ids[:, :, :1]] * back + [ids], axis=2)
            shifted = shifted[:, :, : ops.shape(ids)[2]]  # (B, K, T)
            matches = ops.logical_and(matches, ops.equal(shifted, last))

        def refused() -> Tensor:
            followed = ops.where(matches, ids, -1)[:, :, None, :]  # (B, K, 1, T)
            again = ops.equal(moment.offer.ids[:, :, :, None], followed)
            return log_probs + REFUSED * ops.sum(ops.cast(again, "float32"), axis=3)

        return ops.cond(ops.any(matches), refused, lambda: log_probs)


class ValidUtf8:
    """Refuses bytes that break a character, and those that leave no room to complete one."""

    def __init__(self, after: NDArray[np.int32]) -> None:
        """`after` is the table of `utf8.transitions`."""
        missing = utf8.tokens_missing(after)[after]
        needed = np.where(after == utf8.REFUSED, _NEVER_FITS, missing)  # (states, V)
        self._vocab_size = after.shape[1]
        self._needed = ops.convert_to_tensor(needed.reshape(-1))
        self._after = ops.convert_to_tensor(np.maximum(after, utf8.WHOLE).reshape(-1))

    def start(self, zeros: Tensor) -> Tensor:
        """Between two characters."""
        return zeros + utf8.WHOLE

    def judge(self, log_probs: Tensor, state: Tensor, moment: Moment) -> Tensor:
        """Looks the hypotheses' states up."""
        left = (moment.options.max_new_tokens - moment.step - 1)[:, None, None]  # (B, 1, 1)
        index = state[:, :, None] * self._vocab_size + moment.offer.ids
        return log_probs + ops.where(gather(self._needed, index) > left, REFUSED, 0.0)

    def advance(self, state: Tensor, token_ids: Tensor) -> Tensor:
        """Follows the table; after a broken character a new one begins."""
        return gather(self._after, state * self._vocab_size + token_ids)
