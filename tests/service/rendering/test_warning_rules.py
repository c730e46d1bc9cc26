"""Each warning, and when it is not given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from model.unsupported import unsupported_words
from service.predictor import Summary
from service.rendering.warning_rules import warnings_for


@pytest.fixture
def summary() -> Summary:
    """Two tokens with a mean log probability of -1."""
    return Summary(
        text="x",
        style="headline",
        finish_reason="stop",
        summary_spans=[(0, 1), None],
        source_spans=[None],
        summary_ids=np.array([5, 1]),
        source_ids=np.array([1]),
        attention=np.ones((2, 1)),
        log_probs=np.array([-0.5, -1.5]),
        copy_gate=np.zeros(2),
        copied_share=np.zeros(2),
        generated_prob=np.exp([-0.5, -1.5]),
        total_source_tokens=1,
        used_source_tokens=1,
        used_end=0,
        truncated=False,
    )


@pytest.mark.parametrize(
    ("threshold", "expected"), [(None, []), (-1.1, []), (-0.9, ["low_confidence"])]
)
def test_low_confidence_is_below_the_models_own_threshold(
    predictor: Any, summary: Summary, text: str, threshold: float | None, expected: list[str]
) -> None:
    info = replace(predictor.info, low_confidence_log_prob=threshold)
    assert warnings_for(text, summary, info, []) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One two, three - four; five six seven.", ["very_short_input"]),
        ("One two, three - four; it is the eighth.", []),
    ],
)
def test_only_words_with_letters_or_digits_are_counted(
    predictor: Any, summary: Summary, text: str, expected: list[str]
) -> None:
    assert warnings_for(text, summary, predictor.info, []) == expected


def test_a_cut_text_is_always_mentioned(predictor: Any, summary: Summary, text: str) -> None:
    cut = replace(summary, truncated=True)
    assert warnings_for(text, cut, predictor.info, []) == ["truncated"]


@pytest.mark.parametrize(
    ("summary_text", "expected"),
    [
        ("Council and Vexley vote on tram line", ["unsupported_words"]),
        ("Council votes on 99 tram lines", ["unsupported_words"]),
        ("Council votes on tram line", []),
        ("Man convicted of fraud", ["legal_status"]),
        ("Man of Vexley convicted of fraud", ["unsupported_words", "legal_status"]),
    ],
)
def test_words_without_support_and_guilt_that_is_only_alleged(
    predictor: Any, summary: Summary, summary_text: str, expected: list[str]
) -> None:
    text = (
        "The council voted for a tram line on Tuesday. A man was charged with fraud in the matter; "
        "if convicted, he faces a fine."
    )
    summary = replace(summary, text=summary_text)
    unsupported = unsupported_words(summary_text, text)
    assert warnings_for(text, summary, predictor.info, unsupported) == expected
