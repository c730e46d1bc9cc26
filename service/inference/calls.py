"""Calls of the model that fit into memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from service.errors import OutOfMemory

log = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[Any]]

Signature = Callable[[Arrays], Arrays]
"""Named arrays in, named arrays out."""


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
