from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.evaluation.confidence import COVERAGES, curve_table, no_better_than, risk_coverage


def test_quality_rises_as_the_uncertain_are_dropped() -> None:
    confidence = np.linspace(-5, 0, 100)
    curve = risk_coverage(confidence, np.arange(100.0))
    assert list(curve) == list(COVERAGES)
    assert curve[100] == pytest.approx(49.5)
    assert curve[10] == pytest.approx(94.5)


def test_a_confidence_that_says_nothing_gives_a_flat_curve() -> None:
    curve = risk_coverage(np.zeros(10), np.full(10, 7.0))
    assert set(curve.values()) == {7.0}


def test_one_summary_is_a_curve_and_none_is_an_error() -> None:
    assert set(risk_coverage(np.zeros(1), np.ones(1)).values()) == {1.0}
    with pytest.raises(ValueError, match="at least one"):
        risk_coverage(np.zeros(0), np.zeros(0))


def test_the_threshold_is_where_the_summaries_below_are_no_better() -> None:
    confidence = np.array([-1.0, -4.0, -3.0, -2.0])
    quality, baseline = np.array([9.0, 1.0, 2.0, 3.0]), np.array([5.0, 2.0, 3.0, 3.0])
    assert no_better_than(confidence, quality, baseline) == -2.0


def test_no_threshold_where_the_least_certain_are_better_too() -> None:
    assert no_better_than(np.array([-2.0, -1.0]), np.ones(2), np.zeros(2)) is None


@given(st.lists(st.tuples(st.floats(-9, 0), st.floats(0, 100), st.floats(0, 100)), min_size=1))
def test_summaries_up_to_the_threshold_gain_nothing(rows: list[tuple[float, float, float]]) -> None:
    confidence, quality, baseline = np.array(rows).T
    threshold = no_better_than(confidence, quality, baseline)
    if threshold is not None:
        order = np.argsort(confidence, kind="stable")
        gained = np.cumsum((quality - baseline)[order])
        assert min(gained[confidence[order] <= threshold]) <= 0


def test_the_table_says_what_is_marked() -> None:
    curve = {100: 40.0, 50: 60.0}
    assert "| mean ROUGE-L | 40.0 | 60.0 |" in curve_table(curve, [True, False], -1.25)
    assert "Below -1.250 nats a token" in curve_table(curve, [True, False], -1.25)
    assert "1 of 2" in curve_table(curve, [True, False], -1.25)
    assert "No threshold" in curve_table(curve, [False], None)
