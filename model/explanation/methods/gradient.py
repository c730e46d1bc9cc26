"""How much each source token moves the summary's probability, to first order."""

from __future__ import annotations

import numpy as np

from model.explanation.document import Document
from model.explanation.scorer import Floats, GradientScorer


def gradient(scorer: GradientScorer, document: Document, target: Floats | None = None) -> Floats:
    """The gradient norms (S,) of the source's tokens; one score and its gradient.

    Args:
        scorer: The model.
        document: The text and its summary.
        target: (T,), how much each summary token counts; by default all the same.
    """
    if target is None:
        target = np.ones(len(document.summary_ids))
    return scorer.saliency(document.source_ids, document.summary_ids, target)
