"""What is listed of a row, and what is left to `rest`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.rendering.alignment import Alignment
from service.rendering.attention_view import largest, matrix_view, sources_view

WEIGHTS = st.lists(st.floats(0, 1), min_size=1, max_size=40).filter(lambda w: sum(w) > 0.1)


def one_row(weights: list[float], special: float = 0.0) -> Alignment:
    """A summary "x" over the words "a b c …", each with one of the weights, and `<eos>`."""
    text = " ".join("w" for _ in weights)
    return Alignment(
        summary_text="x",
        summary_spans=[(0, 1)],
        source_text=text,
        source_spans=[*((2 * i, 2 * i + 1) for i in range(len(weights))), None],
        attention=np.array([[*weights, special]]),
        log_probs=np.array([-0.5]),
        copy_gate=np.array([0.5]),
        copied_share=np.array([0.5]),
    )


@given(WEIGHTS)
def test_the_largest_weights_are_taken_until_95_percent_or_5(values: list[float]) -> None:
    weights = np.array(values) / sum(values)
    chosen = largest(weights)
    taken = weights[chosen]
    assert len(chosen) <= 5
    assert list(taken) == sorted(weights, reverse=True)[: len(chosen)]
    assert all(taken > 0)
    # No more than needed, and no fewer.
    assert taken[:-1].sum() < 0.95
    assert taken.sum() >= 0.95 or len(chosen) == min(5, np.count_nonzero(weights))


@given(WEIGHTS, st.floats(0, 10))
def test_weights_and_rest_are_one(values: list[float], special: float) -> None:
    total = sum(values) + special
    alignment = one_row([value / total for value in values], special / total)
    (entry,) = sources_view(alignment, "code_point")
    assert sum(s["weight"] for s in entry["sources"]) + entry["rest"] == pytest.approx(1, abs=1e-3)
    assert entry["rest"] >= 0


def test_a_special_token_is_never_listed_and_counts_as_rest() -> None:
    (entry,) = sources_view(one_row([0.1, 0.0], special=0.9), "code_point")
    assert entry["sources"] == [{"token": "w", "start": 0, "end": 1, "weight": 0.1}]
    assert entry["rest"] == 0.9


def test_equal_weights_are_listed_in_the_order_of_the_text() -> None:
    (many,) = sources_view(one_row([0.1] * 10), "code_point")
    assert [source["start"] for source in many["sources"]] == [0, 2, 4, 6, 8]
    (entry,) = sources_view(one_row([0.25] * 4), "code_point")
    assert [source["start"] for source in entry["sources"]] == [0, 2, 4, 6]


def test_a_text_without_any_token_has_no_sources() -> None:
    (entry,) = sources_view(one_row([], special=1.0), "code_point")
    assert entry["sources"] == []
    assert entry["rest"] == 1.0


def test_numbers_have_six_decimals_and_no_negative_zero() -> None:
    alignment = one_row([1 / 3, 2 / 3 - 1e-9], special=1e-9)
    matrix = matrix_view(alignment, "code_point")
    assert matrix["weights"].tolist() == [[0.333333, 0.666667, 0.0]]
    tiny = matrix_view(one_row([-1e-9, 1.0]), "code_point")["weights"]
    assert str(tiny.tolist()) == "[[0.0, 1.0, 0.0]]"
