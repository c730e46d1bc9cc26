"""What a client sees of the attention: for each word what it looked at, or the whole matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.tokenizer import Span
from service.rendering.alignment import Alignment, Array
from service.rendering.offsets import OffsetTable, OffsetUnit

SOURCES_MASS = 0.95
MAX_SOURCES = 5
DECIMALS = 6


def rounded(values: Array) -> Array:
    """Six decimals: below them is noise, and each costs bytes."""
    # Adding 0.0 turns the -0.0 of a rounded tiny negative into 0.0.
    result: Array = np.round(values, DECIMALS) + 0.0
    return result


def sources_view(alignment: Alignment, unit: OffsetUnit) -> list[dict[str, Any]]:
    """For each unit of the summary that has text, where it looked.

    `sources` are the largest weights until 95 % of the mass, at most 5, largest first; `rest`
    is what they leave, the mass on special tokens included.
    """
    summary_offsets = OffsetTable(alignment.summary_text, unit)
    source_offsets = OffsetTable(alignment.source_text, unit)
    columns, spans = _with_text(alignment.source_spans)
    entries = []
    for row, span in zip(*_with_text(alignment.summary_spans), strict=True):
        weights = alignment.attention[row]
        chosen = largest(weights[columns])
        sources = [
            {
                **_entry(alignment.source_text, spans[index], source_offsets),
                "weight": number(weights[columns[index]]),
            }
            for index in chosen
        ]
        listed = sum(source["weight"] for source in sources)
        entries.append(
            {
                **_entry(alignment.summary_text, span, summary_offsets),
                "log_prob": number(alignment.log_probs[row]),
                "copy_gate": number(alignment.copy_gate[row]),
                "copied_share": number(alignment.copied_share[row]),
                "sources": sources,
                "rest": number(max(0.0, float(weights.sum()) - listed)),
            }
        )
    return entries


def largest(weights: Array, most: int = MAX_SOURCES) -> NDArray[np.intp]:
    """The columns of the largest weights above 0 until 95 % of 1, largest first."""
    candidates = np.arange(len(weights))
    if len(weights) > most:  # a row has hundreds: they are not all sorted
        candidates = np.flatnonzero(weights >= np.partition(weights, -most)[-most])
    order = candidates[np.argsort(-weights[candidates], kind="stable")[:most]]
    before = np.concatenate([[0.0], np.cumsum(weights[order])[:-1]])
    chosen: NDArray[np.intp] = order[(before < SOURCES_MASS) & (weights[order] > 0)]
    return chosen


def matrix_view(alignment: Alignment, unit: OffsetUnit) -> dict[str, Any]:
    """Every weight, special tokens kept; token tables are columns."""
    summary_columns = columns_of(alignment.summary_text, alignment.summary_spans, unit)
    source_columns = columns_of(alignment.source_text, alignment.source_spans, unit)
    return {
        "axes": ["summary_token", "source_token"],
        "shape": list(alignment.attention.shape),
        "row_semantics": "predicting",
        "normalization": "row_sum_1",
        "weights": rounded(alignment.attention),
        "summary_tokens": {
            **summary_columns,
            "log_prob": rounded(alignment.log_probs),
            "copy_gate": rounded(alignment.copy_gate),
            "copied_share": rounded(alignment.copied_share),
        },
        "source_tokens": {**source_columns, "weight": rounded(alignment.attention.mean(axis=0))},
    }


def columns_of(text: str, spans: Sequence[Span | None], unit: OffsetUnit) -> dict[str, Any]:
    """Text and offsets of each unit, as parallel lists; a special one has none."""
    offsets = OffsetTable(text, unit)
    return {
        "token": ["" if span is None else text[slice(*span)] for span in spans],
        "start": [None if span is None else offsets[span[0]] for span in spans],
        "end": [None if span is None else offsets[span[1]] for span in spans],
        "special": [span is None for span in spans],
    }


def _entry(text: str, span: Span, offsets: OffsetTable) -> dict[str, Any]:
    start, end = span
    return {"token": text[start:end], "start": offsets[start], "end": offsets[end]}


def _with_text(spans: Sequence[Span | None]) -> tuple[list[int], list[Span]]:
    """The positions and spans of what isn't special and isn't empty."""
    placed = [(i, span) for i, span in enumerate(spans) if span is not None and span[0] < span[1]]
    return [i for i, _ in placed], [span for _, span in placed]


def number(value: float) -> float:
    """One number as it is sent."""
    return round(float(value), DECIMALS) + 0.0
