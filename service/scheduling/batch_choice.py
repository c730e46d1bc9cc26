"""Which of the works that wait share a call: the oldest, and those nearest to it in length."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Payload_co = TypeVar("Payload_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Work(Generic[Payload_co]):
    """A text with its options: what a call is made of."""

    payload: Payload_co
    key: Hashable  # identical work has identical keys: version, text and parameters
    tokens: int  # of the source, estimated
    width: int  # what a token of it costs: hypotheses, or rows
    group: Hashable  # only works of one group may share a call
    background: bool = False  # began while nothing waited; says nothing of how fast texts are done


@dataclass(frozen=True, kw_only=True)
class BatchRule:
    """What a call may hold.

    A batch has no work that is newer than one left behind unless that one is further from the head
    in length, doesn't fit, or is of another group. Since the head is always the oldest, nobody
    starves: a work waits for at most as many calls as there were works before it.
    """

    max_tokens: int  # padded source tokens times width; a work over it goes alone
    padded_length: Callable[[int], int]  # what so many tokens are padded to
    padding_tolerance: float = 0.02  # share of a call that may be padding from mixing lengths
    usual_works: Callable[[int], int] = int  # how many a call has that may have so many; 1 of 1

    def padded_tokens(self, works: Sequence[Work[Any]]) -> int:
        """What a call with these works reads: all of them as long as the longest, padded."""
        return len(works) * self.padded_length(max(work.tokens for work in works))

    def cost(self, works: Sequence[Work[Any]]) -> int:
        """Padded source tokens times width of a call with these works."""
        return self.padded_tokens(works) * max(work.width for work in works)

    def choose(self, works: Sequence[Work[Any]], *, enough: float, most: float) -> list[int]:
        """The members of the next call, by their indices.

        Works of the head's own padded length come first, the oldest before the newer, then the
        nearest lengths while padding allows.

        Args:
            works: That wait, the oldest first; at least one.
            enough: Cost at which the call is large enough; the last member may exceed it.
            most: Cost that members beside the head may not exceed, as well as `max_tokens`.
        """
        head = works[0]
        lengths = [self.padded_length(work.tokens) for work in works]
        mates = [i for i in range(1, len(works)) if works[i].group == head.group]
        mates.sort(key=lambda i: (abs(lengths[i] - lengths[0]), lengths[i]))  # stable: by age
        limit = min(self.max_tokens, most)
        chosen, longest, widest = [0], lengths[0], head.width
        own = cost = lengths[0] * head.width
        for i in mates:
            if cost >= enough:
                break
            longer, wider = max(longest, lengths[i]), max(widest, works[i].width)
            grown = (len(chosen) + 1) * longer * wider
            useful = own + lengths[i] * works[i].width
            if grown <= limit and grown - useful <= self.padding_tolerance * grown:
                chosen.append(i)
                longest, widest, own, cost = longer, wider, useful, grown
        return chosen[: self.usual_works(len(chosen))]
