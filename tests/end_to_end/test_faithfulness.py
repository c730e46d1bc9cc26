"""The measurement of explanations, on an artifact that the real job made: the study in small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.artifact import FAITHFULNESS, file_sha256, read_golden, read_manifest
from model.explanation.document import Document, all_kept
from model.explanation.methods.copy_split import TOLERANCE
from model.explanation.rankings import BASELINES, METHODS
from model.explanation.scorer import Scores
from model.exporting.exported import ExportedModel
from model.faithfulness.__main__ import main
from model.faithfulness.finish import GOLDEN, golden_scores
from model.faithfulness.models import exported_model
from model.faithfulness.texts import choose, write_summaries
from model.scoring.exported_scorer import BATCH, CASCADE, randomised, scorers
from model.train import BUILT_IN

pytestmark = pytest.mark.timeout(900)  # a study under coverage, on a slow machine


@pytest.fixture(scope="module")
def artifact(trained: Path) -> Path:
    return trained / "artifacts" / "1"


@pytest.fixture(scope="module")
def report(measured: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((measured / "1" / FAITHFULNESS).read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def document(artifact: Path) -> Document:
    model = exported_model(ExportedModel(artifact))
    return write_summaries(model, choose([str(BUILT_IN)], 2, model.tokenizer))[0]


def test_the_report_says_what_was_measured_on_what(report: dict[str, Any], artifact: Path) -> None:
    assert report["model"]["sha256"] == read_manifest(artifact).model_sha256
    assert report["data"] == [{"file": BUILT_IN.name, "sha256": file_sha256(BUILT_IN)}]
    assert report["kinds_of_text"] == {"builtin": report["documents"]} == {"builtin": 3}


def test_the_split_is_exact_on_a_trained_network(report: dict[str, Any]) -> None:
    assert report["split_error"] <= TOLERANCE


def test_every_method_stands_beside_every_baseline(report: dict[str, Any]) -> None:
    assert [*report["methods"]] == [*METHODS, *BASELINES]
    for method in METHODS:
        assert [*report["methods"][method]["advantage"]] == [*BASELINES]
    assert [*report["cascade"]] == [*CASCADE]


def test_the_golden_scores_can_be_reproduced(report: dict[str, Any], artifact: Path) -> None:
    examples = read_golden(artifact)
    assert len(report["golden"]) == min(GOLDEN, len(examples))
    again = golden_scores(ExportedModel(artifact), artifact)
    for stored, found in zip(report["golden"], again, strict=True):
        assert stored["golden"] == found["golden"]
        for method in ("attention", "leave_one_out"):
            np.testing.assert_allclose(stored[method], found[method], atol=1e-4)
        # As the eager model had it; `<eos>` is no word.
        weights = np.array(examples[stored["golden"]].attention_weights).mean(axis=0)
        assert sum(stored["attention"]) == pytest.approx(weights[:-1].sum(), abs=1e-3)


def test_batches_and_padding_change_nothing(artifact: Path, document: Document) -> None:
    scorer = scorers(ExportedModel(artifact))(document.style)
    keep = np.repeat(all_kept(document), BATCH + 3, axis=0)
    keep[1:, :5] = False
    many = scorer.score(document.source_ids, keep, document.summary_ids)
    one = scorer.score(document.source_ids, keep[:1], document.summary_ids)
    last = scorer.score(document.source_ids, keep[-1:], document.summary_ids)
    assert many.attention_weights.shape == (BATCH + 3, len(document.summary_ids), keep.shape[1])
    for field in Scores._fields:
        found = getattr(many, field)
        np.testing.assert_allclose(found[0], getattr(one, field)[0], atol=1e-4)
        np.testing.assert_allclose(found[-1], getattr(last, field)[0], atol=1e-4)
    assert np.abs(many.log_probs[0] - many.log_probs[-1]).max() > 1e-4


def test_the_cascade_makes_one_part_after_another_random(
    artifact: Path, document: Document
) -> None:
    exported = ExportedModel(artifact)
    arguments = (document.source_ids, all_kept(document), document.summary_ids)
    seen = [scorers(exported)(document.style).score(*arguments).log_probs]
    names = []
    for name, scorer_of in randomised(exported):
        names.append(name)
        seen.append(scorer_of(document.style).score(*arguments).log_probs)
        assert np.abs(seen[-1] - seen[-2]).max() > 1e-3
    assert names == [*CASCADE]


def test_every_weight_that_scores_a_summary_becomes_random(artifact: Path) -> None:
    exported = ExportedModel(artifact)
    before = {w.name: w.numpy() for w in exported.weights}
    for _stage, _ in randomised(exported):
        same = {w.name for w in exported.weights if (before[w.name] == w.numpy()).all()}
    # A weight that is still as it began can't be told from one that was shuffled, or is 0.
    learnt = {name for name in same if len(np.unique(before[name])) > 1 or before[name].all()}
    assert all("sentence_head" in name or "seed" in name for name in learnt), learnt


def test_after_the_cascade_the_weights_are_as_before(artifact: Path) -> None:
    exported = ExportedModel(artifact)
    before = {w.name: w.numpy() for w in exported.weights}
    for _ in randomised(exported):
        assert any((before[w.name] != w.numpy()).any() for w in exported.weights)
    assert all((before[w.name] == w.numpy()).all() for w in exported.weights)


@pytest.mark.parametrize("documents", [1, 10_000])
def test_more_documents_than_there_are_is_an_error(
    documents: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--data", str(BUILT_IN), "--documents", str(documents)])
    assert f"got {documents}" in capsys.readouterr().err
