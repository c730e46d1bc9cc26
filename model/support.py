"""A name rule for the search: no name and no number that the source does not have.

A word with a capital or a digit may be written only as the source writes it, piece after piece.
The rule steers the search; the numbers that are reported stay those of the unconstrained model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from keras import ops
from numpy.typing import NDArray

from model.attention import Tensor
from model.decoding import REFUSED, Moment, add_by_id

UNCAPITALISED = -4.0
"""Added to a first word in lower case: the constraint must not cost the capital."""


class NameTables(NamedTuple):
    """What the rule knows of every token of a vocabulary."""

    named: NDArray[np.bool_]  # (V,): has a capital or a digit
    inside: NDArray[np.bool_]  # (V,): goes on with the word before it
    lower: NDArray[np.int32]  # (V,): the id of its lower-case spelling, or its own
    small: NDArray[np.bool_]  # (V,): begins in lower case


def name_tables(token_bytes: Sequence[bytes]) -> NameTables:
    """Derives the tables from the bytes of every token; special tokens have none."""
    texts = [piece.decode(errors="replace") for piece in token_bytes]
    ids = {piece: i for i, piece in enumerate(token_bytes) if piece}
    named = [any(c.isupper() or c.isdigit() for c in text) for text in texts]
    inside = [bool(text) and (text[0].isalnum() or text[0] == "\ufffd") for text in texts]
    lower = [
        ids.get(text.lower().encode(), i) if "\ufffd" not in text else i
        for i, text in enumerate(texts)
    ]
    small = [text.strip()[:1].islower() for text in texts]
    return NameTables(np.array(named), np.array(inside), np.array(lower, np.int32), np.array(small))


class SupportedNames:
    """A filter over given sources; its state is whether a name is being written.

    The first word is capitalised whatever it is, so there a lower-case spelling in the source
    counts too.
    """

    def __init__(self, tables: NameTables, source_ids: Tensor, source_mask: Tensor) -> None:
        self._tables, self._vocab_size = tables, len(tables.named)
        self._ids = ops.where(source_mask, source_ids, 0)  # (B, S)
        following = self._ids[:, 1:]
        self._following = ops.pad(following, [[0, 0], [0, 1]])  # (B, S)
        here = ops.cast(ops.not_equal(self._ids, 0), "float32")
        self._present = add_by_id(self._ids[:, None], here[:, None], self._vocab_size)  # (B, 1, V)

    def judge(self, log_probs: Tensor, state: Tensor, moment: Moment) -> Tensor:
        """Refuses names and numbers from elsewhere, and pieces that the source does not join."""
        named = ops.convert_to_tensor(self._tables.named)
        inside = ops.convert_to_tensor(self._tables.inside)
        lower = ops.convert_to_tensor(self._tables.lower)
        present = self._present > 0
        spelt = ops.take(present, lower, axis=2)
        first = ops.equal(moment.step, 0)
        known = ops.logical_or(present, ops.logical_and(first, spelt))  # (B, 1, V)
        begins = ops.logical_and(named, ops.logical_not(inside))
        strange = ops.logical_and(begins, ops.logical_not(known))
        joined, may_end = self._continuations(self._last(moment))
        # Whatever goes on with a word that has a capital must go on so in the source.
        in_name = ops.equal(state, 1)[:, :, None]
        torn = ops.where(inside, ops.logical_not(joined), ops.logical_not(may_end))
        capital = ops.logical_and(ops.logical_and(named, inside), ops.logical_not(joined))
        broken = ops.logical_or(ops.logical_and(in_name, torn), capital)
        refused = ops.logical_or(strange, ops.logical_and(ops.logical_not(first), broken))
        small = ops.logical_and(ops.convert_to_tensor(self._tables.small), first)
        log_probs = log_probs + ops.where(small, UNCAPITALISED, 0.0)
        strict = ops.convert_to_tensor(moment.options.strict_support)
        refused = ops.logical_and(refused, ops.reshape(strict, (-1, 1, 1)))
        return log_probs + ops.where(refused, REFUSED, 0.0)

    def advance(self, state: Tensor, token_ids: Tensor) -> Tensor:
        """1 while a word with a capital or a digit is being written."""
        named = ops.take(ops.convert_to_tensor(self._tables.named), token_ids)
        inside = ops.take(ops.convert_to_tensor(self._tables.inside), token_ids)
        goes_on = ops.logical_and(inside, ops.equal(state, 1))
        return ops.cast(ops.logical_or(named, goes_on), "int32")

    def _last(self, moment: Moment) -> Tensor:
        return ops.take(moment.ids, ops.maximum(moment.step - 1, 0), axis=2)  # (B, K)

    def _continuations(self, last: Tensor) -> tuple[Tensor, Tensor]:
        """Which tokens (B, K, V) follow the last one in the source, and whether a word ends."""
        lower = ops.take(ops.convert_to_tensor(self._tables.lower), last)[:, :, None]
        ids = self._ids[:, None, :]  # (B, 1, S)
        at = ops.logical_or(ops.equal(ids, last[:, :, None]), ops.equal(ids, lower))  # (B, K, S)
        following = ops.broadcast_to(self._following[:, None, :], ops.shape(at))
        joined = add_by_id(following, ops.cast(at, "float32"), self._vocab_size) > 0
        inside = ops.take(ops.convert_to_tensor(self._tables.inside), following)
        ends = ops.any(ops.logical_and(at, ops.logical_not(inside)), axis=2)  # (B, K)
        return joined, ends[:, :, None]
