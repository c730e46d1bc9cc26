"""Whether a summary needs the words that it looked at: they are hidden, and so are random ones."""

from __future__ import annotations

import hashlib

import numpy as np

from model.explanation.document import by_unit, count, keep_masks, make_document
from model.explanation.methods.attention import attention
from model.explanation.scorer import Floats, Scores
from service.explanation.tasks import Scoring
from service.predictor import Summary

WORDS = 5
DRAWS = 4


def audit_task(text: str, summary: Summary) -> Scoring:
    """One batch: the whole text, without its most attended words, and without random ones.

    The draws depend on the text alone.
    """
    document = make_document(
        text,
        summary.source_ids.tolist(),
        [span for span in summary.source_spans if span is not None],
        summary.text,
        summary.summary_ids.tolist(),
        summary.style,
    )
    words = count(document.words)
    weights = summary.attention.astype(np.float64)
    attended = by_unit(attention(weights, np.ones(len(weights))), document.words)
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()))
    hidden = [np.argsort(-attended, kind="stable")[:WORDS]]
    hidden += [rng.choice(words, min(WORDS, words), replace=False) for _ in range(DRAWS)]
    kept = np.ones((1 + len(hidden), words), np.bool_)
    for row, chosen in enumerate(hidden, start=1):
        kept[row, chosen] = False
    return Scoring(
        source_ids=document.source_ids,
        keep=keep_masks(document.words, kept),
        summary_ids=document.summary_ids,
        style=summary.style,
    )


def audit_of(scores: Scores) -> dict[str, float]:
    """What the answer to `audit_task` says: changes of the log probability in nats."""
    totals: Floats = scores.log_probs.sum(axis=1)
    changes = totals[1:] - totals[0]
    return {"top5_removed": float(changes[0]), "random5_removed": float(changes[1:].mean())}
