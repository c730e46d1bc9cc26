"""What a search chooses from: the commonest tokens of the vocabulary, and the tokens of the source.

A token of the source may be copied whatever it is; one that is in neither set can't come. So a step
is as wide as the common tokens and the source together, and not as the vocabulary: a common token
that also stands in the source, and one that stands there twice, are one choice each.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from model.attention import Tensor

NO_CHOICE = -1e9
"""Added to the place of a token that is another choice already."""


class Choices(NamedTuple):
    """C choices a text: the first G tokens of the vocabulary, then one a source position."""

    num_common: int  # G
    ids: Tensor  # int32 (B or 1, C): the token that each stands for
    closed: Tensor  # float32 (B or 1, 1, C): NO_CHOICE where another one stands for it, or 0
    slots: Tensor  # int32 (B, S): the choice of every source position

    @property
    def count(self) -> Any:
        """C, a number or a scalar tensor."""
        return ops.shape(self.ids)[1]

    def spread(self, values: Tensor) -> Tensor:
        """Sums values (B, K, S) of source positions into (B, K, C)."""
        slots = ops.broadcast_to(self.slots[:, None, :], ops.shape(values))
        return add_at(slots, values, self.count)

    def least(self, values: Tensor, otherwise: int) -> Tensor:
        """The least of values int32 (B, S) of source positions: (B, C), or at most `otherwise`."""
        batch, count = ops.shape(values)[0], self.count
        slots = self.slots + ops.arange(batch)[:, None] * count
        flat = ops.reshape(-values, (-1,)), ops.reshape(slots, (-1,))
        most = ops.segment_max(*flat, num_segments=batch * count)
        return ops.reshape(-ops.maximum(most, -otherwise), (batch, count))

    def tokens(self, chosen: Tensor) -> Tensor:
        """The token ids int32 (B, K, …) of choices."""
        if self.ids.shape[0] == 1:
            return gather(self.ids[0], chosen)
        return pick(self.ids, chosen)


def all_tokens(vocab_size: int) -> Choices:
    """Every token is a choice, and no source is known."""
    ids = np.arange(vocab_size, dtype=np.int32)[None, :]
    nothing = np.zeros((1, 0), np.int32)
    return Choices(vocab_size, ids, np.zeros((1, 1, vocab_size), np.float32), nothing)


def choices_for(source_ids: Tensor, vocab_size: int, num_common: int) -> Choices:
    """The choices for sources int32 (B, S); all tokens where `num_common` is the vocabulary."""
    if num_common >= vocab_size:
        return all_tokens(vocab_size)._replace(slots=source_ids)
    batch, length = ops.shape(source_ids)[0], ops.shape(source_ids)[1]
    positions = ops.arange(length)  # (S,)
    same = ops.equal(source_ids[:, :, None], source_ids[:, None, :])  # (B, S, S)
    first = ops.cast(ops.argmax(ops.cast(same, "int8"), axis=2), "int32")  # (B, S)
    common = source_ids < num_common
    again = ops.logical_or(common, first < positions)
    shortlist = ops.broadcast_to(ops.arange(num_common)[None, :], (batch, num_common))
    closed = ops.where(again, NO_CHOICE, 0.0)  # (B, S)
    open_ = ops.zeros((batch, num_common))
    return Choices(
        num_common,
        ids=ops.concatenate([shortlist, source_ids], axis=1),
        closed=ops.concatenate([open_, closed], axis=1)[:, None, :],
        slots=ops.where(common, source_ids, num_common + first),
    )


class Offer(NamedTuple):
    """What a step chooses from: all choices in their order, or N of them for each hypothesis."""

    ids: Tensor  # int32 (B or 1, K or 1, N): tokens
    places: Tensor | None = None  # int32 (B, K, N): theirs among the choices; None is all

    def of(self, table: Tensor) -> Tensor:
        """(V,) values of tokens to values of what is offered."""
        return gather(table, self.ids)

    def pick(self, values: Tensor) -> Tensor:
        """(B, C) or (B, K, C) values of all choices to values (B, K or 1, N)."""
        if self.places is None:
            return values if len(values.shape) == 3 else values[:, None]
        return pick(values, self.places)


def gather(values: Any, indices: Tensor) -> Tensor:
    """The rows of `values` that `indices`, none of them negative, name."""
    return ops.take(values, indices, axis=0)


def pick(values: Tensor, index: Tensor) -> Tensor:
    """Of values (B, C) or (B, K, C) those that `index` (B, K, …) names on the last axis."""
    shape = ops.shape(values)
    rows = ops.arange(math.prod(shape[:-1])) * shape[-1]
    first = ops.reshape(rows, (*shape[:-1], *[1] * (len(index.shape) - len(shape) + 1)))
    return gather(ops.reshape(values, (-1,)), index + ops.cast(first, index.dtype))


def add_at(places: Tensor, values: Tensor, count: Any) -> Tensor:
    """Sums values (B, K, N) whose places (B, K, N) are below `count` into (B, K, count)."""
    shape = ops.shape(values)
    rows = ops.repeat(ops.arange(shape[0] * shape[1]), shape[2])
    indices = ops.stack([rows, ops.cast(ops.reshape(places, (-1,)), rows.dtype)], axis=1)
    flat = ops.scatter(indices, ops.reshape(values, (-1,)), (shape[0] * shape[1], count))
    return ops.reshape(flat, (shape[0], shape[1], count))
