"""Where the model looked: the cross-attention, which is also what copies are drawn from."""

from __future__ import annotations

import numpy as np

from model.explanation.scorer import Floats


def attention(attention_weights: Floats, target: Floats) -> Floats:
    """The mean attention (S,) of the summary tokens that are asked about; no further call.

    Args:
        attention_weights: (T, S), of the text with nothing hidden.
        target: (T,), how much each token counts; not all 0.
    """
    mean: Floats = target @ attention_weights / np.sum(target)
    return mean
