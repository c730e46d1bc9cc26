"""The names and numbers of a summary that its text does not have, as a client sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from model.unsupported import CheckedWord
from service.rendering.offsets import OffsetTable, OffsetUnit
from service.rendering.title_case import title_case


def unsupported_view(
    words: Sequence[CheckedWord], summary_text: str, unit: OffsetUnit, *, in_title_case: bool
) -> list[dict[str, Any]]:
    """Text, place and kind of each word.

    Args:
        words: With spans in code points of `summary_text`.
        summary_text: The summary as it was written, in sentence case.
        unit: What the client counts.
        in_title_case: Whether the client sees the summary in title case, which may move words.
    """
    spans = [word.span for word in words]
    if words and in_title_case:
        summary_text, moved = title_case(summary_text, spans)
        spans = [span for span in moved if span is not None]
    offsets = OffsetTable(summary_text, unit)
    return [
        {
            "text": summary_text[start:end],
            "start": offsets[start],
            "end": offsets[end],
            "kind": word.kind,
        }
        for (start, end), word in zip(spans, words, strict=True)
    ]
