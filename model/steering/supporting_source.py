"""Where the words of a source begin and end, in tensors over its tokens."""

from __future__ import annotations

from keras import ops

from model.attention import Tensor
from model.steering.choices import gather
from model.steering.support_tables import Role, SupportTables
from model.steering.watched_words import DEAD, LONGEST, ROOT, NumberKind

FAR = 1 << 20
_LONGEST_DOUBLINGS = 6  # a word of more than 2 ** 6 tokens can't be copied
_MOST_GLUE = 4  # more tokens of "." "," "'" in a row count as going on


class SupportingSource:
    """What the name rule asks of sources (B, S), padded and hidden positions 0.

    Attributes:
        ids: int32 (B, S).
        complete: bool (B, S): a word of the source ends with this token.
        remaining: int32 (B, S): how many tokens on it is complete; very many where never.
        respellable: bool (B, S): may stand with a capital where a summary begins.
        guilt: int32 (B,): the furthest of the guilt words.
    """

    def __init__(self, tables: SupportTables, ids: Tensor) -> None:
        self._tables, self.ids = tables, ids
        goes_on = self._goes_on()
        self._in_word = self._of(tables.in_word)
        ends = ops.logical_and(self._in_word, ops.logical_not(goes_on))  # (B, S)
        node = self._nodes()
        kind = gather(tables.words.number, node)
        hidden = self._joined_numbers(ends, kind)
        whole = ops.logical_and(ends, ops.logical_not(hidden))
        possessive = ops.logical_and(self._possessive(goes_on), kind == NumberKind.NONE)
        self.complete = ops.logical_or(whole, ops.logical_and(self._in_word, possessive))
        barrier = ops.logical_or(ends, ops.equal(ids, 0))
        distance, limit = _distance(self.complete), _distance(barrier)
        self.remaining = ops.where(distance <= limit, distance, FAR)
        several = ops.logical_not(self._of(tables.single))
        self.respellable = ops.logical_or(several, self.complete)
        guilt = gather(tables.words.guilt, node)
        self.guilt = ops.max(ops.where(ends, guilt, 0), axis=1)

    def _of(self, table: Tensor) -> Tensor:
        return gather(table, self.ids)

    def _goes_on(self) -> Tensor:
        """Whether the word at each token goes on behind it: (B, S)."""
        role = self._of(self._tables.role)
        following = _back(role, fill=Role.GOES_ON)
        goes_on = following != Role.ENDS
        for _ in range(_MOST_GLUE):
            after_glue = ops.logical_and(following == Role.MAY_GO_ON, _back(goes_on, fill=True))
            goes_on = ops.logical_or(following == Role.GOES_ON, after_glue)
        return goes_on

    def _possessive(self, goes_on: Tensor) -> Tensor:
        """Whether "'s" and the word's end come behind each token."""
        tables = self._tables
        last = ops.logical_not(goes_on)
        one = ops.logical_and(self._of(tables.possessive), last)
        s = ops.logical_and(self._of(tables.letter_s), last)
        two = ops.logical_and(self._of(tables.apostrophe), _back(s, fill=False))
        return _back(ops.logical_or(one, two), fill=False)

    def _nodes(self) -> Tensor:
        """The node of `WatchedWords` after each token, from its word's beginning: (B, S)."""
        tables = self._tables
        begins = ops.logical_or(self._of(tables.spaced), ops.logical_not(moved_on(self._in_word)))
        node = ops.where(begins, tables.node_after(ROOT + 0 * self.ids, self.ids), DEAD)
        for _ in range(LONGEST - 1):
            longer = tables.node_after(moved_on(node), self.ids)
            node = ops.where(begins, node, longer)
        return node

    def _joined_numbers(self, ends: Tensor, kind: Tensor) -> Tensor:
        """Words that are half of a number: "twenty", and the "two" of "twenty-two"."""
        tables = self._tables
        tens = ops.logical_and(ends, kind == NumberKind.TENS)
        spaced = self._of(tables.spaced)
        mark = ops.logical_and(self._of(tables.single), ops.logical_not(spaced))
        mark = ops.logical_and(mark, ops.logical_not(self._in_word))
        begins = ops.logical_or(spaced, ops.logical_not(moved_on(self._in_word)))
        behind = ops.logical_and(moved_on(mark), moved_on(tens, 2))
        behind = ops.where(spaced, moved_on(tens), behind)
        behind = ops.logical_and(behind, begins)
        for _ in range(LONGEST - 1):
            behind = ops.where(begins, behind, moved_on(behind))
        second = ops.logical_and(kind == NumberKind.UNIT, behind)
        return ops.logical_or(tens, ops.logical_and(ends, second))


def moved_on(part: Tensor, steps: int = 1) -> Tensor:
    """At each place of the last axis what stood `steps` places before; 0 or False at first."""
    none = ops.zeros_like(part[..., :1])
    return ops.concatenate([none] * steps + [part], axis=-1)[..., :-steps]


def _back(part: Tensor, *, fill: object) -> Tensor:
    """At each place what stands behind it; `fill` at last."""
    return ops.concatenate([part[:, 1:], ops.full_like(part[:, :1], fill)], axis=1)


def _distance(here: Tensor) -> Tensor:
    """How far the next True is, 0 on itself: int32 (B, S)."""
    distance = ops.where(here, 0, FAR)
    for doubling in range(_LONGEST_DOUBLINGS):
        steps = 1 << doubling
        distance = ops.minimum(distance, _later(distance, steps) + steps)
    return distance


def _later(distance: Tensor, steps: int) -> Tensor:
    padded = ops.pad(distance, [[0, 0], [0, steps]], constant_values=FAR)
    return padded[:, steps:]
