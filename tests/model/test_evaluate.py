"""What the evaluation prints beside ROUGE."""

from __future__ import annotations

from model.evaluate import SetResult, confidence_report, low_confidence, support_report
from model.support_rates import Rate, support_rates

RATES = support_rates(["A line to Vexley"], ["a line"])


def result(training_names: Rate | None) -> SetResult:
    zeros = [0.0] * 3
    return SetResult("press", 1, zeros, zeros, [""] * 3, zeros, zeros, 0.0, 1.0,
                     [-2.0, -1.0], [10.0, 50.0], [20.0, 30.0],
                     RATES, RATES, training_names)  # fmt: skip


def test_model_and_references_stand_side_by_side() -> None:
    lines = support_report([result(None)]).splitlines()
    assert [line.split("|")[1:3] for line in lines[2:]] == [
        [" press ", " model "],
        [" press ", " references "],
    ]


def test_names_out_of_the_training_data_are_told_where_they_were_looked_for() -> None:
    assert support_report([result(Rate.of(2, 7))]).endswith("that the text does not have: 2 of 7")
    assert "training" not in support_report([result(None)])


def test_confidence_is_measured_over_all_sets_together() -> None:
    results = [result(None), result(None)]
    assert low_confidence(results) == -1.0
    report = confidence_report(results)
    assert "| mean ROUGE-L | 30.0 |" in report
    assert "is set: 2 of 4" in report
