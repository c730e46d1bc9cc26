"""The rules on bytes, names and numbers as one automaton over classes of tokens.

Nearly all that `ValidUtf8` and `SupportedNames` ask of a hypothesis is a function of its tokens
alone. So it is one number, a state, and what a token does there is read from a table. What depends
on the source is left over: whether the source joins or begins what a token writes, and how far its
words of guilt go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.steering import utf8
from model.steering.filters import IMPOSSIBLE, REFUSED
from model.steering.support import UNCAPITALISED, UNSUPPORTED
from model.steering.support_tables import Role, SupportTables
from model.steering.watched_words import ROOT

NUM_GUILTS = 4
"""Values of guilt that a word or a source has: those of `GUILT_WORDS`, and none."""

JOINED, BEGUN = 1, 2
"""What a source has for a token: the places that go on with it, a word that is whole in time."""

NUM_HAD = 4

_INCOMPLETE = 1
"""Added to an even state: the source does not end a word where the hypothesis does."""


class Automaton(NamedTuple):
    """Q states, K classes of tokens, U codes of what a token needs. Tables are flat.

    A state is even where the source ends a word at the hypothesis, and that plus 1 where not.
    """

    class_of: NDArray[np.int32]  # (V,)
    num_classes: int
    start: int  # the state before the first token
    needs: NDArray[np.int32]  # (Q K,): NUM_HAD times the code of what the token needs
    after: NDArray[np.int32]  # (Q K,): twice the state after it, plus whether it begins a word
    added: NDArray[np.float32]  # (2, L, NUM_GUILTS, U, NUM_HAD) strict, left, guilt, code, had
    num_left: int  # L: so many tokens left, less 1, complete any character
    at_first: NDArray[np.float32]  # (K,): added to a first token

    @property
    def left_stride(self) -> int:
        """Between two numbers of tokens left, in `added`."""
        return NUM_GUILTS * self.guilt_stride

    @property
    def guilt_stride(self) -> int:
        """Between two guilts, in `added`."""
        return self.added.size // (2 * self.num_left * NUM_GUILTS)


def automaton(
    tables: SupportTables, utf8_after: NDArray[np.int32], never_ids: Sequence[int]
) -> Automaton:
    """Derives it from what the filters are made of; `utf8_after` is of `utf8.transitions`."""
    missing = utf8.tokens_missing(utf8_after)[utf8_after]
    num_left = 1 + int(missing[utf8_after != utf8.REFUSED].max())
    needed = np.where(utf8_after == utf8.REFUSED, num_left, missing)  # (characters, V)
    never = np.isin(np.arange(len(tables.named)), never_ids)
    words = tables.words
    columns = [words.piece, tables.named, tables.spaced, tables.in_word, tables.role]
    columns += [tables.small, never, *np.maximum(utf8_after, utf8.WHOLE), *needed]
    classes, class_of = np.unique(np.column_stack(columns), axis=0, return_inverse=True)
    piece, named, spaced, in_word, role, small, never, *rest = classes.T.astype(np.int32)
    named, spaced, in_word, never = (part > 0 for part in (named, spaced, in_word, never))
    follows, lacks = np.split(np.array(rest), 2)  # (characters, K) each
    goes_on, may_go_on = role == Role.GOES_ON, role == Role.MAY_GO_ON

    def read(state: State) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        """The states after all classes, and what they need where a word ends here, or not."""
        character, node, controlled = state
        node_after = words.after[np.where(spaced, ROOT, node), piece]
        number = words.number[node_after] > 0
        carried = controlled and role != Role.ENDS
        states = _numbered(
            follows[character],
            np.where(in_word, node_after, ROOT),
            carried | named | number,
            len(words.after),
        )
        found = named | number | (goes_on if controlled else False)
        others = 4 * words.guilt[node_after] + 16 * lacks[character] + 16 * (num_left + 1) * never
        needs = []
        for torn in (False, controlled):
            stops = torn & ~goes_on
            joined = (found & ~spaced) | (stops & may_go_on)
            source = np.where(joined, JOINED, 0) + np.where(found & spaced, BEGUN, 0)
            needs.append(2 * (others + source) + (stops & ~may_go_on))
        return states, needs[0], needs[1]

    states, needs = _explore(read, len(words.after))
    codes, places = np.unique(needs, return_inverse=True)
    states, coded = _smallest(states, places.reshape(needs.shape).astype(np.int32))
    stays = np.where(may_go_on, 0, _INCOMPLETE)
    after = np.stack([2 * states + stays, 2 * states + _INCOMPLETE], axis=1)  # (Q / 2, 2, K)
    return Automaton(
        class_of=class_of.reshape(-1).astype(np.int32),
        num_classes=len(classes),
        start=_INCOMPLETE,
        needs=(NUM_HAD * coded).astype(np.int32).reshape(-1),
        after=(2 * after + spaced).astype(np.int32).reshape(-1),
        added=_added(codes, num_left),
        num_left=num_left,
        at_first=np.where(small > 0, UNCAPITALISED, 0.0).astype(np.float32),
    )


State = tuple[int, int, bool]
"""Of a character, of `WatchedWords`, and whether the word must be the source's."""


def _numbered(
    character: NDArray[np.int32], node: NDArray[np.int32], controlled: NDArray[np.bool_], nodes: int
) -> NDArray[np.int32]:
    return (character * nodes + node) * 2 + controlled


Read = Callable[[State], tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]]


def _explore(read: Read, nodes: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Of all states that are reached: the states after (Q / 2, K) and needs (Q / 2, 2, K)."""
    first = (utf8.WHOLE * nodes + ROOT) * 2
    places, rows = {first: 0}, []
    for number in (queue := [first]):
        states, *needs = read((number // 2 // nodes, number // 2 % nodes, bool(number % 2)))
        for found in np.unique(states).tolist():
            if found not in places:
                places[found] = len(places)
                queue.append(found)
        rows.append((states, needs))
    index = np.zeros(max(places) + 1, np.int32)
    index[list(places)] = list(places.values())
    return index[np.array([row[0] for row in rows])], np.array([row[1] for row in rows])


def _smallest(
    states: NDArray[np.int32], needs: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Without states that nothing tells apart (Moore's algorithm); the first stays the first."""
    flat = needs.reshape(len(needs), -1)
    kind: NDArray[np.int32] = np.zeros(len(states), np.int32)
    count = 0
    while kind.max() + 1 > count:
        count = int(kind.max()) + 1
        _, kept, found = np.unique(
            np.column_stack([flat, kind[states]]), axis=0, return_index=True, return_inverse=True
        )
        order = np.argsort(np.argsort(kept)).astype(np.int32)  # by the first state of each kind
        kind, kept = order[found.reshape(-1)], np.sort(kept)
    return kind[states[kept]], needs[kept]


def _added(codes: NDArray[np.int32], num_left: int) -> NDArray[np.float32]:
    """What each need costs where it is not met."""
    sizes = (2, num_left, NUM_GUILTS, len(codes), NUM_HAD)
    strict, left, guilt, place, had = np.ogrid[tuple(slice(size) for size in sizes)]
    code = codes[place]
    impossible, rest = code % 2, code // 2
    source, rest = rest % NUM_HAD, rest // NUM_HAD
    of_guilt, rest = rest % NUM_GUILTS, rest // NUM_GUILTS
    lacks, never = rest % (num_left + 1), rest // (num_left + 1)
    refused = (impossible > 0) | ((source & ~had) > 0) | (of_guilt > guilt)
    return (
        np.where(never > 0, IMPOSSIBLE, 0.0)
        + np.where(lacks > left, REFUSED, 0.0)
        + np.where(refused & (strict > 0), UNSUPPORTED, 0.0)
    ).astype(np.float32)
