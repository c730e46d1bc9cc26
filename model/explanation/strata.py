"""The figures apart: of short and of long texts, and of copied and of generated tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from model.explanation.claims import MUST_BEAT
from model.explanation.intervals import Bootstrap
from model.explanation.metrics import COMPREHENSIVENESS, areas
from model.explanation.rankings import METHODS
from model.explanation.scorer import Floats
from model.explanation.study import KINDS, Figures

QUARTERS = 4


def strata(figures: Sequence[Figures], draw: Bootstrap) -> dict[str, Any]:
    """Comprehensiveness as its area over the budgets, each mean with its interval.

    Returns:
        `length`: quarters of the documents by their words, the shortest first; there are fewer
        where documents are. `tokens`: by method and baseline that must be beaten, for the tokens
        of each kind; a document without such a token is left out.
    """
    order = np.argsort([f.words for f in figures], kind="stable")
    parts = [part for part in np.array_split(order, QUARTERS) if len(part)]
    names = [name for name in (*METHODS, *MUST_BEAT) if name in figures[0].erasures]
    return {
        "length": [_of_quarter(figures, part, draw) for part in parts],
        "tokens": {name: _of_tokens(name, figures, draw) for name in names},
    }


def _of_quarter(figures: Sequence[Figures], part: Any, draw: Bootstrap) -> dict[str, Any]:
    def estimate(values: Sequence[float]) -> dict[str, Any]:
        inside: Floats = np.full(len(figures), np.nan)
        inside[part] = np.array(values)[part]
        return draw.mean(inside).as_json()

    words = [figures[i].words for i in part]
    methods = {
        name: {
            "comprehensiveness_area": estimate(
                [areas(f.erasures[name])[COMPREHENSIVENESS] for f in figures]
            ),
            "word_tau": estimate([f.word_tau[name] for f in figures]),
            "sentence_tau": estimate([f.sentence_tau[name] for f in figures]),
        }
        for name in METHODS
        if name in figures[0].erasures
    }
    return {
        "least": min(words),
        "most": max(words),
        "documents": len(words),
        "even_attention_nats": estimate([f.attention_use for f in figures]),
        "methods": methods,
    }


def _of_tokens(name: str, figures: Sequence[Figures], draw: Bootstrap) -> dict[str, Any]:
    return {
        kind: draw.mean(np.array([f.by_kind[name][row].mean() for f in figures])).as_json()
        for row, kind in enumerate(KINDS)
    }
