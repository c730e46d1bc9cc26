"""What a client should know before trusting a summary."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Literal

from model.legal_status import escalates
from model.tokenizer import iterate_word_spans
from model.unsupported import CheckedWord
from service.predictor import ModelInfo, Summary
from service.rendering.language import looks_english

WarningName = Literal[
    "truncated",
    "very_short_input",
    "not_english",
    "low_confidence",
    "unsupported_words",
    "legal_status",
]

FEWEST_WORDS = 8


def warnings_for(
    text: str, summary: Summary, info: ModelInfo, unsupported: Sequence[CheckedWord]
) -> list[WarningName]:
    """The warnings that apply to the summary of `text`, in a fixed order.

    Args:
        text: What was sent.
        summary: What was written of it.
        info: The model that wrote it.
        unsupported: Names and numbers of the summary that the text does not have.
    """
    applies: dict[WarningName, bool] = {
        "truncated": summary.truncated,
        "very_short_input": _is_very_short(text),
        "not_english": not looks_english(text),
        "low_confidence": _is_unsure(summary, info.low_confidence_log_prob),
        "unsupported_words": bool(unsupported),
        "legal_status": escalates(summary.text, text),
    }
    return [warning for warning, does in applies.items() if does]


def _is_very_short(text: str) -> bool:
    words = (text[start:end] for start, end in iterate_word_spans(text))
    with_letters = (word for word in words if any(map(str.isalnum, word)))
    return len(list(islice(with_letters, FEWEST_WORDS))) < FEWEST_WORDS


def _is_unsure(summary: Summary, threshold: float | None) -> bool:
    """Whether the mean log probability of a token is below what the model's card promises."""
    if threshold is None:
        return False
    return summary.log_prob / len(summary.log_probs) < threshold
