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
from model.steering.choices import Choices, Offer, add_at, gather, pick
from model.steering.filters import Moment
from model.steering.support_tables import Role, SupportTables
from model.steering.supporting_source import FAR, SupportingSource, moved_on
from model.steering.watched_words import ROOT

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
        self._soonest = choices.least(self._source.remaining, FAR)  # (B, C)
        self._goes_on = ops.convert_to_tensor(tables.role == Role.GOES_ON)  # (V,)
        self._may_go_on = ops.convert_to_tensor(tables.role == Role.MAY_GO_ON)
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
        offer, tables = moment.offer, self._tables
        left = (moment.options.max_new_tokens - moment.step - 1)[:, None]  # (B, 1)
        spaced, goes_on = offer.of(tables.spaced), offer.of(self._goes_on)  # (B, K, N) each
        joined = offer.pick(self._joined(state, self._source.remaining <= left))
        begun = offer.pick(self._soonest) <= left[:, :, None]
        number, guiltier = self._watched(state, spaced, offer)
        controlled = state.controlled[:, :, None]
        named = ops.logical_or(offer.of(tables.named), number)
        must_be_found = ops.logical_or(named, ops.logical_and(controlled, goes_on))
        torn = ops.logical_and(controlled, ops.logical_not(state.complete)[:, :, None])
        stops = ops.logical_not(ops.logical_and(offer.of(self._may_go_on), joined))
        stops = ops.logical_and(ops.logical_not(goes_on), stops)
        otherwise = ops.logical_or(ops.logical_and(torn, stops), guiltier)
        strict = ops.reshape(ops.convert_to_tensor(moment.options.strict_support), (-1, 1, 1))

        def judged(begun: Tensor) -> Tensor:
            found = ops.where(spaced, begun, joined)
            strange = ops.logical_and(must_be_found, ops.logical_not(found))
            refused = ops.logical_and(ops.logical_or(strange, otherwise), strict)
            return log_probs + ops.where(refused, UNSUPPORTED, 0.0)

        def at_first() -> Tensor:
            lower = ops.where(offer.of(tables.small), UNCAPITALISED, 0.0)
            return judged(ops.logical_or(begun, self._respelt(offer, left))) + lower

        return ops.cond(ops.equal(moment.step, 0), at_first, lambda: judged(begun))

    def advance(self, state: SupportState, token_ids: Tensor) -> SupportState:
        """Follows the places of the source that read as the summary does."""
        tables, ids = self._tables, self._source.ids[:, None, :]  # (B, 1, S)
        spaced, named, in_word, role = (
            gather(table, token_ids)
            for table in (tables.spaced, tables.named, tables.in_word, tables.role)
        )
        same = ops.equal(ids, token_ids[:, :, None])  # (B, K, S)
        lower = gather(tables.lower, token_ids)[:, :, None]
        respelt = ops.logical_and(ops.equal(ids, lower), self._source.respellable[:, None, :])
        respelt = ops.logical_and(respelt, ops.logical_not(state.begun)[:, :, None])
        before = moved_on(state.places)
        fresh = ops.logical_or(same, respelt)
        places = ops.where(spaced[:, :, None], fresh, ops.logical_and(same, before))
        node = ops.where(spaced, ROOT, state.node)
        node = tables.node_after(node, token_ids)
        number = gather(tables.words.number, node) > 0
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

    def _watched(self, state: SupportState, spaced: Tensor, offer: Offer) -> tuple[Tensor, Tensor]:
        """(B, K, N): whether the word becomes a number, and one of guilt beyond the source's."""
        node = ops.where(spaced, ROOT, state.node[:, :, None])
        index = node * self._tables.words.after.shape[1] + offer.of(self._tables.words.piece)
        both = gather(self._number_and_guilt, index)
        most = 2 * self._source.guilt[:, None, None] + 1
        return ops.bitwise_and(both, 1) > 0, both > most

    def _respelt(self, offer: Offer, left: Tensor) -> Tensor:
        """What the source has with a small first letter, where there is time to end the word."""
        vocab_size = self._tables.lower.shape[0]
        in_time = self._source.remaining <= left
        respellable = ops.logical_and(in_time, self._source.respellable)[:, None]  # (B, 1, S)
        ids = self._source.ids[:, None]
        known = add_at(ids, ops.cast(respellable, "float32"), vocab_size)  # (B, 1, V)
        lower = offer.of(self._tables.lower)
        lower = ops.broadcast_to(lower, (ops.shape(ids)[0], *ops.shape(lower)[1:]))
        return pick(known[:, 0], lower) > 0

    def _joined(self, state: SupportState, in_time: Tensor) -> Tensor:
        """(B, K, C): which choices the source has at the state's places, with time to end."""
        following = ops.logical_and(moved_on(state.places), in_time[:, None])
        return self._choices.spread(ops.cast(following, "float32")) > 0
