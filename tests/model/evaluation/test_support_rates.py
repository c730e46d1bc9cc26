"""Rates over sets of summaries, checked by hand."""

from __future__ import annotations

import pytest

from model.evaluation.support_rates import Rate, SupportMeasure, support_rates, support_table

TEXTS = [
    "The firm of Abel Zander was charged with fraud. It took 3 trams.",
    "The council of Boxton opens a line, said Vera Quill of Boxton.",
]


def test_wilson_interval() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81 of 263
    rate = Rate.of(81, 263)
    assert rate.percent == pytest.approx(30.80, abs=0.01)
    assert (rate.low, rate.high) == pytest.approx((25.53, 36.62), abs=0.01)


@pytest.mark.parametrize(("found", "low", "high"), [(0, 0.0, 11.35), (30, 88.65, 100.0)])
def test_the_interval_stays_inside_at_the_ends(found: int, low: float, high: float) -> None:
    rate = Rate.of(found, 30)
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=0.01)


def test_nothing_of_nothing_has_no_share() -> None:
    assert Rate.of(0, 0).percent is None
    assert str(Rate.of(0, 0)) == "– (n 0)"
    assert str(Rate.of(1, 4)) == "25.0 % (4.6 to 69.9, n 4)"


def test_names_numbers_and_escalations_are_counted() -> None:
    rates = support_rates(
        ["Firm of Zander and Vexley convicted of taking 4 of 3", "New line in Boxton"], TEXTS
    )
    assert rates.summaries == 2
    assert (rates.names.found, rates.names.total, rates.names_per_hundred) == (1, 3, 50.0)
    assert (rates.numbers.found, rates.numbers.total, rates.numbers_per_hundred) == (1, 2, 50.0)
    assert (rates.escalation.found, rates.escalation.total) == (1, 1)


def test_references_in_title_case_are_respelt_first() -> None:
    measure = SupportMeasure([*TEXTS, "It grants a hall to the town, and the town is glad."])
    rates = measure.references(["Boxton Council Opens Town Hall of Vexley", "Line"], TEXTS)
    assert (rates.names.found, rates.names.total) == (2, 2), "Boxton and Vexley, of another text"
    summary = measure.summaries(["A hall for Boxton", "A hall for Boxton"], TEXTS)
    assert (summary.names.found, summary.names.total) == (1, 2)


def test_no_summaries_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 summary, got 0"):
        support_rates([], [])
    with pytest.raises(ValueError, match="shorter"):
        support_rates(["a"], [])


def test_the_table_has_a_row_for_each() -> None:
    rates = support_rates(["Vexley to Vexley"], ["a line"])
    lines = support_table([("press", "model", rates), ("press", "references", rates)]).split("\n")
    assert len(lines) == 4
    assert lines[2] == (
        "| press | model | 100.0 % (20.7 to 100.0, n 1) | 100.0 | – (n 0) | 0.0 | – (n 0) |"
    )
