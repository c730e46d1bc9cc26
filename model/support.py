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
from model.choices import Choices, add_at
from model.filters import Moment
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

    def __init__(
        self, tables: SupportTables, source_ids: Tensor, source_mask: Tensor, choices: Choices
    ) -> None:
        self._tables = tree.map_structure(ops.convert_to_tensor, tables)
        self._source = SupportingSource(self._tables, ops.where(source_mask, source_ids, 0))
        self._choices = choices
        # All that does not change from step to step is made here: (B or 1, 1, C) each.
        self._spaced, self._named = choices.of(tables.spaced), choices.of(tables.named)
        role = choices.of(tables.role)
        self._goes_on, self._may_go_on = role == Role.GOES_ON, role == Role.MAY_GO_ON
        self._stops = role != Role.GOES_ON
        self._small = ops.where(choices.of(tables.small), UNCAPITALISED, 0.0)
        self._piece = choices.of(tables.words.piece)
        numbers = tables.words.number[tables.words.after] > 0  # (N, P)
        guilt = tables.words.guilt[tables.words.after]
        self._number_and_guilt = ops.convert_to_tensor((2 * guilt + numbers).reshape(-1))

    def start(self, zeros: Tensor) -> SupportState:
        """Before the first token; `zeros` are int32 (B, K)."""
        none = zeros > 0
        places = ops.logical_and(none[:, :, None], self._source.ids[:, None, :] > 0)
        return SupportState(places, zeros + ROOT, none, none, none)

    def judge(self, log_probs: Tensor, state: SupportState, moment: Moment) -> Tensor:
        """Refuses names and numbers from elsewhere, and pieces that the source does not join."""
        first = ops.equal(moment.step, 0)
        left = (moment.options.max_new_tokens - moment.step - 1)[:, None]  # (B, 1)
        in_time = self._source.remaining <= left  # (B, S)
        begun, joined = self._begun_and_joined(state, in_time, first)  # (B, 1, C), (B, K, C)
        number, guilt = self._watched(state)
        controlled = state.controlled[:, :, None]
        named = ops.logical_or(self._named, number)  # (B, K, C)
        must_be_found = ops.logical_or(named, ops.logical_and(controlled, self._goes_on))
        found = ops.where(self._spaced, begun, joined)
        strange = ops.logical_and(must_be_found, ops.logical_not(found))
        torn = ops.logical_and(state.controlled, ops.logical_not(state.complete))[:, :, None]
        stops = ops.logical_and(self._may_go_on, joined)
        stops = ops.logical_and(self._stops, ops.logical_not(stops))
        torn = ops.logical_and(torn, stops)
        guiltier = guilt > self._source.guilt[:, None, None]
        refused = ops.logical_or(ops.logical_or(strange, torn), guiltier)
        strict = ops.reshape(ops.convert_to_tensor(moment.options.strict_support), (-1, 1, 1))
        log_probs = log_probs + ops.where(first, self._small, 0.0)
        return log_probs + ops.where(ops.logical_and(refused, strict), UNSUPPORTED, 0.0)

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
        """(B, K, C): whether a token makes the word a number, and the guilt that it asserts."""
        node = ops.where(self._spaced, ROOT, state.node[:, :, None])  # (B, K, C)
        index = node * self._tables.words.after.shape[1] + self._piece
        both = ops.take(self._number_and_guilt, index)
        return ops.bitwise_and(both, 1) > 0, both // 2

    def _or_respelt(self, begun: Tensor, in_time: Tensor) -> Tensor:
        """Adds choices (B, 1, C) that the source has with a small first letter."""
        vocab_size = self._tables.lower.shape[0]
        respellable = ops.logical_and(in_time, self._source.respellable)[:, None]  # (B, 1, S)
        ids = self._source.ids[:, None]
        known = add_at(ids, ops.cast(respellable, "float32"), vocab_size)  # (B, 1, V)
        lower = ops.take(self._tables.lower, self._choices.ids)  # (B or 1, C)
        row = ops.arange(ops.shape(ids)[0])[:, None] * vocab_size
        respelt = ops.take(ops.reshape(known, (-1,)), lower + row) > 0  # (B, C)
        return ops.logical_or(begun, respelt[:, None])

    def _begun_and_joined(
        self, state: SupportState, in_time: Tensor, first: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Which choices the source has behind a space, and which it has at the state's places.

        (B, 1, C) and (B, K, C); both only where there is time to end the word.
        """
        following = ops.concatenate([moved_on(state.places), in_time[:, None]], axis=1)
        following = ops.logical_and(following, in_time[:, None])  # (B, K + 1, S)
        there = self._choices.spread(ops.cast(following, "float32")) > 0  # (B, K + 1, C)
        begun = there[:, -1:]
        begun = ops.cond(first, lambda: self._or_respelt(begun, in_time), lambda: begun)
        return begun, there[:, :-1]
