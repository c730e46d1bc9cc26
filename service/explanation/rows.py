"""What methods say, as it is sent: rows of places with weights, and columns of units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.explanation.methods.copy_split import CopySplit
from model.explanation.scorer import Floats
from model.tokenizer import Span
from service.rendering.attention_view import columns_of, largest, number
from service.rendering.offsets import OffsetUnit

MOST_SOURCES = 32
"""In a row of the summary's attention."""

MOST_SELF_SOURCES = 5
"""In a row of self-attention, of which there are as many as the text has units."""


class Places:
    """Units of a text, as rows and sources name them."""

    def __init__(self, text: str, spans: Sequence[Span | None], unit: OffsetUnit) -> None:
        self.columns = columns_of(text, spans, unit)
        self.special = np.array(self.columns["special"], np.bool_)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Text and offsets of one unit."""
        return {name: self.columns[name][index] for name in ("token", "start", "end")}


def attention_rows(
    weights: Floats, rows: Places, sources: Places, chosen: Iterable[int], most: int
) -> list[dict[str, Any]]:
    """Where each of the chosen rows looks: its largest weights, and what they leave.

    Args:
        weights: (rows, sources), each row with the sum 1.
        rows: Named by the rows.
        sources: Looked at.
        chosen: The rows that are wanted.
        most: Sources in a row.
    """
    with_text = np.flatnonzero(~sources.special)
    found = []
    for row in chosen:
        listed = with_text[largest(weights[row, with_text], most)].tolist()
        places = [{**sources[i], "weight": number(weights[row, i])} for i in listed]
        rest = float(weights[row].sum()) - sum(place["weight"] for place in places)
        found.append(
            {
                **rows[row],
                "sources": places,
                "special": number(weights[row, sources.special].sum()),
                "rest": number(max(0.0, rest)),
            }
        )
    return found


def copy_rows(
    split: CopySplit, log_probs: Floats, rows: Places, sources: Places, chosen: Iterable[int]
) -> list[dict[str, Any]]:
    """The probability of each of the chosen tokens, divided, and every place it was copied from."""
    found = []
    for row in chosen:
        copied = split.copied[row]
        order = np.argsort(-copied, kind="stable")[: np.count_nonzero(copied)].tolist()
        found.append(
            {
                **rows[row],
                "log_prob": number(log_probs[row]),
                "copied": number(copied.sum()),
                "generated": number(split.generated[row]),
                "sources": [{**sources[i], "copied": number(copied[i])} for i in order],
            }
        )
    return found


def score_rows(scores: Floats, rows: Places, chosen: Iterable[int]) -> list[dict[str, Any]]:
    """One number for each of the chosen rows."""
    return [{**rows[row], "score": number(scores[row])} for row in chosen]


def score_list(scores: Floats | NDArray[np.floating]) -> list[float | None]:
    """Numbers as they are sent, null where there is none."""
    return [None if np.isnan(score) else number(score) for score in scores]
