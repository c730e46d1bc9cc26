"""What the evaluation prints beside ROUGE."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from model import evaluate
from model.artifact import model_digest, read_manifest, write_manifest
from model.evaluate import SetResult, confidence_report, low_confidence, support_report
from model.evaluation.support_rates import Rate, support_rates
from model.exporting.exported import Written
from tests.model.exporting.test_card import manifest

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


def test_loose_styles_are_measured_and_sealed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "pairs.jsonl"
    row = {"text": "The council opens a line to Vexley on Monday.", "summary": "A line to Vexley"}
    data.write_text(json.dumps(row | {"style": "headline"}) + "\n", encoding="utf-8")
    directory = tmp_path / "1"
    directory.mkdir()
    sealed = replace(manifest(), model_sha256=model_digest(directory))
    write_manifest(directory, sealed)

    class Writing:
        manifest, num_beams = sealed, 4

        def summarize(self, texts: list[str], styles: list[str]) -> list[Written]:
            assert self.manifest.loose_styles == ("title",)
            return [Written("A line", -1.0) for _ in texts]

    monkeypatch.setattr(evaluate, "ExportedModel", lambda *_, **__: Writing())
    given = ["--data", str(data), "--artifact", str(directory), "--loose-styles", "title"]
    assert evaluate.main(given) == 0
    assert "default support (loose: title)" in capsys.readouterr().out
    assert read_manifest(directory).loose_styles == ()
    assert evaluate.main([*given, "--write-card"]) == 0
    assert read_manifest(directory).loose_styles == ("title",)
    assert not read_manifest(directory).is_strict("title")
    with pytest.raises(SystemExit):
        evaluate.main([*given, "poem", "--write-card"])
    assert "has no style poem" in capsys.readouterr().err
    assert read_manifest(directory).loose_styles == ("title",)
