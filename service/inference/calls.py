"""Calls of the model: counted, and such as fit into memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.artifact import SCORE, SCORE_SENTENCES, SUMMARIZE
from service.errors import OutOfMemory
from service.inference.token_budget import TokenBudget, row_width
from service.predictor import EngineCall

log = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[Any]]

_BATCHED = frozenset({SUMMARIZE, SCORE_SENTENCES, SCORE})
"""Signatures whose calls can be smaller; others have one row, and that says nothing of these."""

Signature = Callable[[Arrays], Arrays]
"""Named arrays in, named arrays out."""


class ModelCalls:
    """Calls a graph's signatures, counts the calls, and keeps them small after a lack of memory.

    Args:
        signatures: By name.
        max_batch_tokens: Padded source tokens in one call, times `row_width`.
        on_call: Called after each, those that failed among them, for whoever waits for all.
    """

    def __init__(
        self,
        signatures: Mapping[str, Signature],
        max_batch_tokens: int,
        on_call: Callable[[], None] = lambda: None,
    ) -> None:
        self.budget = TokenBudget(max_batch_tokens)
        """What a call may hold now."""
        self._signatures = signatures
        self._made: list[EngineCall] = []
        self._on_call = on_call

    def __contains__(self, name: str) -> bool:
        return name in self._signatures

    def __call__(self, name: str, inputs: Arrays) -> Arrays:
        """What a signature makes of arrays, among them `source_ids` (B, S).

        Raises:
            OutOfMemory: there is none; the next calls may hold less.
        """
        source_ids = inputs["source_ids"]
        try:
            outputs = self._signatures[name](inputs)
        except OutOfMemory:
            if name in _BATCHED:
                width = row_width(int(inputs.get("num_beams", 1)))
                self.budget.shrink(source_ids.size * width)
            else:
                self.budget.shortages += 1
            raise
        finally:
            self._on_call()
        self._made.append(
            EngineCall(
                signature=name,
                texts=len(source_ids),
                tokens=int(np.count_nonzero(source_ids)),
                padded_tokens=source_ids.size,
            )
        )
        return outputs

    def take(self) -> list[EngineCall]:
        """The calls since this was last asked."""
        made, self._made = self._made, []
        return made


def call_in_parts(
    group: list[int], call: Callable[[list[int]], Arrays]
) -> Iterator[tuple[list[int], Arrays]]:
    """Which members of a group shared a call, and its arrays.

    A group for which there is no memory is halved until it fits; a member for which there is none
    by itself is given up.

    Args:
        group: The members by their index.
        call: The call of some of them.

    Raises:
        OutOfMemory: there is none for a single member.
    """
    try:
        outputs = call(group)
    except OutOfMemory:
        if len(group) == 1:
            raise
    else:
        yield group, outputs
        return
    log.warning("no memory for %d texts at once: halving", len(group))
    middle = len(group) // 2
    for half in (group[:middle], group[middle:]):
        yield from call_in_parts(half, call)
