"""A text as its own summary: a sentence of it is hidden, whole or in spans, and is the target.

Hidden whole it is the gap sentence of PEGASUS (Zhang et al. 2020), which the network writes from
the rest. Hidden in spans, as in T5 (Raffel et al. 2020), what is left of it can be copied and the
rest must be inferred: both teach the copy mechanism where to look, and need no summary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model.tokenizer import MASK_ID

WHOLE_SHARE = 0.5
"""Of the sentences; the others are hidden in spans."""

HIDDEN_SHARE = 0.5
"""Of the tokens of a sentence that is hidden in spans."""

SPAN_TOKENS = 3
"""The mean length of a hidden span."""


def hide(sentence: Sequence[int], rng: np.random.Generator) -> list[int]:
    """The tokens of a sentence with a `<mask>` for each stretch that is hidden; at least one is.

    Args:
        sentence: Its ids, at least one.
        rng: Decides whether all of it is hidden, or which spans.
    """
    if rng.random() < WHOLE_SHARE:
        return [MASK_ID]
    hidden = np.zeros(len(sentence), bool)
    while hidden.mean() < HIDDEN_SHARE:
        start = rng.integers(len(sentence))
        hidden[start : start + rng.geometric(1 / SPAN_TOKENS)] = True
    return [
        MASK_ID if is_hidden else token_id
        for i, (token_id, is_hidden) in enumerate(zip(sentence, hidden.tolist(), strict=True))
        if not (is_hidden and i and hidden[i - 1])
    ]
