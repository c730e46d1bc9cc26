"""A name rule for the search: no name and no number that the source does not have.

A word with a capital or a digit, and a number in words, may be written only as the source writes
it: token by token from one place, and up to where the word ends there. A word here goes on over
"." "," and "'" before a letter or digit ("2.5", "D.C.", "O'Hara"), so that whatever
`model/unsupported.py` reads in it is read in the source too. Words that assert guilt need such a
word in the source. The rule steers the search; what is reported is the unconstrained model's.
"""

from __future__ import annotations

from typing import NamedTuple

from keras import ops, tree

from model.attention import Tensor
from model.decoding import Moment, add_by_id
from model.support_tables import Role, SupportTables
from model.supporting_source import SupportingSource, moved_on
from model.watched_words import ROOT

UNSUPPORTED = -1e6
"""Added to what the rule refuses. Beyond `REFUSED`: where a repeated trigram or half a name is all
that is left, the trigram it is."""

UNCAPITALISED = -4.0
"""Added to a first word in lower case: the constraint must not cost the capital."""


class SupportState(NamedTuple):
    """What the rule remembers of a hypothesis."""

    places: Tensor  # bool (B, K, S): the source reads here as the summary since its last space
    node: Tensor  # int32 (B, K): of `WatchedWords`, for the word that is being written
    controlled: Tensor  # bool (B, K): this word has a capital, a digit or is a number
    complete: Tensor  # bool (B, K): the source ends a word where the summary is
    begun: Tensor  # bool (B, K): it is not the first token


class SupportedNames:
    """A filter over given sources.

    The first word is capitalised whatever it is, so there a lower-case spelling in the source
    counts too.
    """

    def __init__(self, tables: SupportTables, source_ids: Tensor, source_mask: Tensor) -> None:
        self._vocab_size = len(tables.named)
        self._tables = tree.map_structure(ops.convert_to_tensor, tables)
        self._source = SupportingSource(self._tables, ops.where(source_mask, source_ids, 0))

    def start(self, zeros: Tensor) -> SupportState:
        """Before the first token; `zeros` are int32 (B, K)."""
        none = zeros > 0
        places = ops.logical_and(none[:, :, None], self._source.ids[:, None, :] > 0)
        return SupportState(places, zeros + ROOT, none, none, none)

    def judge(self, log_probs: Tensor, state: SupportState, moment: Moment) -> Tensor:
        """Refuses names and numbers from elsewhere, and pieces that the source does not join."""
        tables = self._tables
        first = ops.equal(moment.step, 0)
        left = (moment.options.max_new_tokens - moment.step - 1)[:, None]  # (B, 1)
        in_time = self._source.remaining <= left  # (B, S)
        number, guilt = self._watched(state)
        role = tables.role
        named = ops.logical_or(tables.named, number)  # (B, K, V)
        goes_on = ops.logical_and(state.controlled[:, :, None], role == Role.GOES_ON)
        joined = self._joined(state, in_time)  # (B, K, V)
        found = ops.where(tables.spaced, self._begun(in_time, first), joined)
        strange = ops.logical_and(ops.logical_or(named, goes_on), ops.logical_not(found))
        torn = ops.logical_and(state.controlled, ops.logical_not(state.complete))[:, :, None]
        stops = ops.where(role == Role.MAY_GO_ON, ops.logical_not(joined), role == Role.ENDS)
        torn = ops.logical_and(torn, stops)
        guiltier = guilt > self._source.guilt[:, None, None]
        refused = ops.logical_or(ops.logical_or(strange, torn), guiltier)
        strict = ops.convert_to_tensor(moment.options.strict_support)
        refused = ops.logical_and(refused, ops.reshape(strict, (-1, 1, 1)))
        small = ops.logical_and(tables.small, first)
        log_probs = log_probs + ops.where(small, UNCAPITALISED, 0.0)
        return log_probs + ops.where(refused, UNSUPPORTED, 0.0)

    def advance(self, state: SupportState, token_ids: Tensor) -> SupportState:
        """Follows the places of the source that read as the summary does."""
        tables, ids = self._tables, self._source.ids[:, None, :]  # (B, 1, S)
        spaced, named, in_word, role = (
            ops.take(table, token_ids)
            for table in (tables.spaced, tables.named, tables.in_word, tables.role)
        )
        same = ops.equal(ids, token_ids[:, :, None])  # (B, K, S)
        lower = ops.take(tables.lower, token_ids)[:, :, None]
        respelt = ops.logical_and(ops.equal(ids, lower), self._source.respellable[:, None, :])
        respelt = ops.logical_and(respelt, ops.logical_not(state.begun)[:, :, None])
        before = moved_on(state.places)
        fresh = ops.logical_or(same, respelt)
        places = ops.where(spaced[:, :, None], fresh, ops.logical_and(same, before))
        node = ops.where(spaced, ROOT, state.node)
        node = tables.node_after(node, token_ids)
        number = ops.take(tables.words.number, node) > 0
        carried = ops.logical_and(state.controlled, role != Role.ENDS)
        complete = ops.any(ops.logical_and(places, self._source.complete[:, None, :]), axis=2)
        stays = ops.logical_and(state.complete, role == Role.MAY_GO_ON)
        return SupportState(
            places=places,
            node=ops.where(in_word, node, ROOT),
            controlled=ops.logical_or(ops.logical_or(carried, named), number),
            complete=ops.logical_or(complete, stays),
            begun=ops.ones_like(state.begun),
        )

    def _watched(self, state: SupportState) -> tuple[Tensor, Tensor]:
        """(B, K, V): whether a token makes the word a number, and the guilt that it asserts."""
        words = self._tables.words
        fresh = ops.take(words.after[ROOT], words.piece)  # (V,)
        by_piece = ops.take(words.after, state.node, axis=0)  # (B, K, P)
        node = ops.where(self._tables.spaced, fresh, ops.take(by_piece, words.piece, axis=2))
        return ops.take(words.number, node) > 0, ops.take(words.guilt, node)

    def _begun(self, in_time: Tensor, first: Tensor) -> Tensor:
        """(B, 1, V): tokens behind a space that the source has, and that leave time to end."""
        lower = self._tables.lower
        respellable = ops.logical_and(in_time, self._source.respellable)
        respelt = ops.take(self._spread(respellable[:, None]), lower, axis=2)
        known = self._spread(in_time[:, None])
        return ops.logical_or(known, ops.logical_and(first, respelt))

    def _joined(self, state: SupportState, in_time: Tensor) -> Tensor:
        """(B, K, V): tokens that follow in the source at one of the state's places."""
        following = moved_on(state.places)
        return self._spread(ops.logical_and(following, in_time[:, None]))

    def _spread(self, places: Tensor) -> Tensor:
        """(B, K, S) over source positions to (B, K, V) over the tokens that stand there."""
        ids = ops.broadcast_to(self._source.ids[:, None, :], ops.shape(places))
        return add_by_id(ids, ops.cast(places, "float32"), self._vocab_size) > 0
