"""What a search chooses from, as `model.steering.choices`, in flat rows of one width."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from model.attention import Tensor
from model.tokenizer import PAD_ID

GROUP = 16
"""Choices that are looked at together."""


class FlatChoices(NamedTuple):
    """C choices a text: G common tokens, one a source position, and some that are none.

    What is no choice of its own has the id of padding, which may never come.
    """

    num_common: int  # G
    count: Tensor  # C, a multiple of GROUP; the last is none
    ids: Tensor  # int32 (B C,)
    slots: Tensor  # int32 (B, S): the choice of every source position


def flat_choices(source_ids: Tensor, vocab_size: int, num_common: int) -> FlatChoices:
    """The choices for sources int32 (B, S)."""
    common_count = min(num_common, vocab_size)
    shape = tf.shape(source_ids)
    batch, length = shape[0], shape[1]
    count = ((common_count + length) // GROUP + 1) * GROUP
    positions = tf.zeros_like(source_ids) + tf.range(length)
    flat = source_ids + (tf.range(batch) * vocab_size)[:, None]
    first = tf.math.unsorted_segment_min(positions, flat, batch * vocab_size)
    first = tf.gather(first, flat)  # (B, S): where the token stands first
    common = source_ids < common_count
    again = tf.logical_or(common, first < positions)
    open_ids = tf.where(again, PAD_ID, source_ids)
    open_ids = tf.pad(open_ids, [[0, 0], [0, count - common_count - length]])
    shortlist = tf.zeros((batch, 1), tf.int32) + tf.range(common_count)
    return FlatChoices(
        common_count,
        count,
        tf.reshape(tf.concat([shortlist, open_ids], axis=1), (-1,)),
        tf.where(common, source_ids, common_count + first),
    )
