"""A study of a network before it is exported: what it scores and writes, step by step."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.artifact import TOKENIZER, read_manifest
from model.explanation.document import Document, all_kept
from model.explanation.methods.gradient import gradient
from model.explanation.scorer import BriefScorer, GradientScorer, Scores, log_probs
from model.exporting.exported import ExportedModel
from model.faithfulness.__main__ import main
from model.faithfulness.finish import golden_scores
from model.faithfulness.models import exported_model, network_model, weights_sha256
from model.faithfulness.texts import choose, read_summaries, write_summaries
from model.scoring.exported_scorer import CASCADE, randomised, scorers
from model.scoring.network_scorer import BATCH, Network, randomised_network, read_network
from model.tokenizer import Tokenizer
from model.train import BUILT_IN
from model.training.checkpoint import FILE_NAME

DOCUMENTS = 2
SUMMARIES = "summaries.jsonl"
KEPT = "kept.jsonl"

pytestmark = pytest.mark.timeout(900)  # the study is of an eager network


@pytest.fixture(scope="module")
def artifact(trained: Path) -> Path:
    return trained / "artifacts" / "1"


@pytest.fixture(scope="module")
def exported(artifact: Path) -> ExportedModel:
    return ExportedModel(artifact)


@pytest.fixture
def network(trained: Path) -> Network:
    return read_network(trained / FILE_NAME, Tokenizer.load(trained / TOKENIZER))


@pytest.fixture(scope="module")
def documents(exported: ExportedModel) -> list[Document]:
    model = exported_model(exported)
    return write_summaries(model, choose([str(BUILT_IN)], DOCUMENTS, model.tokenizer))


@pytest.fixture(scope="module")
def studied(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the summaries that a network wrote, and the study of them."""
    directory = tmp_path_factory.mktemp("study")
    data = f"--data {BUILT_IN} --documents {DOCUMENTS} --threads 2 --out {directory / 'study.json'}"
    weights = f"--weights {trained / FILE_NAME} --tokenizer {trained / TOKENIZER}"
    assert main(f"{data} {weights} --write-summaries {directory / SUMMARIES}".split()) == 0
    assert [path.name for path in directory.iterdir()] == [SUMMARIES]  # nothing was measured
    assert main(f"{data} {weights} {from_there(directory)}".split()) == 0
    return directory


def from_there(directory: Path) -> str:
    return f"--summaries {directory / SUMMARIES} --partial {directory / KEPT}"


@pytest.fixture(scope="module")
def report(studied: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((studied / "study.json").read_text(encoding="utf-8"))
    return found


def masks(document: Document, number: int) -> Any:
    keep = np.repeat(all_kept(document), number, axis=0)
    keep[1:] &= np.random.default_rng(0).random(keep[1:].shape) < 0.7
    keep[:, -1] = True
    return keep


def test_a_network_has_the_weights_of_its_export(network: Network, exported: ExportedModel) -> None:
    assert len(network.weights) == len([w for w in exported.weights if w.dtype.is_floating])
    assert weights_sha256(network.weights.values()) == weights_sha256(exported.weights)
    some = next(iter(network.weights.values()))
    some.assign(some + 1e-6)
    assert weights_sha256(network.weights.values()) != weights_sha256(exported.weights)


@pytest.mark.parametrize("number", [1, BATCH + 3])
def test_a_network_scores_as_its_export_does(
    network: Network, exported: ExportedModel, documents: Sequence[Document], number: int
) -> None:
    for document in documents:
        arguments = (document.source_ids, masks(document, number), document.summary_ids)
        ours = network.scorer(document.style)
        found = ours.score(*arguments)
        expected = scorers(exported)(document.style).score(*arguments)
        for field in Scores._fields:
            np.testing.assert_allclose(
                getattr(found, field), getattr(expected, field), atol=1e-4, err_msg=field
            )
        assert isinstance(ours, BriefScorer)
        np.testing.assert_array_equal(log_probs(ours, *arguments), found.log_probs)


def test_a_network_has_the_gradients_of_its_export(
    network: Network, exported: ExportedModel, documents: Sequence[Document]
) -> None:
    for document in documents:
        ours, theirs = network.scorer(document.style), scorers(exported)(document.style)
        assert isinstance(ours, GradientScorer)
        assert isinstance(theirs, GradientScorer)
        one = np.eye(len(document.summary_ids))[0]
        for target in (one, one + 1.0):
            found, expected = (gradient(scorer, document, target) for scorer in (ours, theirs))
            assert found.shape == document.source_ids.shape
            assert found.max() > 0
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_a_network_writes_what_its_export_writes(
    network: Network, documents: Sequence[Document]
) -> None:
    sources, styles = [d.source_ids.tolist() for d in documents], [d.style for d in documents]
    found = network.summary_ids(sources, styles)
    assert found == [d.summary_ids.tolist() for d in documents]


def test_both_become_random_in_the_same_way(
    network: Network, artifact: Path, documents: Sequence[Document]
) -> None:
    document = documents[0]
    arguments = (document.source_ids, all_kept(document), document.summary_ids)
    seen = [network.scorer(document.style).score(*arguments).log_probs]
    stages = zip(randomised_network(network), randomised(ExportedModel(artifact)), strict=True)
    names = []
    for (name, scorer_of), (exported_name, exported_of) in stages:
        names.append((name, exported_name))
        seen.append(scorer_of(document.style).score(*arguments).log_probs)
        expected = exported_of(document.style).score(*arguments).log_probs
        np.testing.assert_allclose(seen[-1], expected, atol=1e-3)
        assert np.abs(seen[-1] - seen[-2]).max() > 1e-3
    assert names == [(name, name) for name in CASCADE]


def test_a_study_goes_on_where_it_was_cut(
    studied: Path,
    trained: Path,
    report: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in (SUMMARIES, KEPT):
        shutil.copy(studied / name, tmp_path)
    again = (
        f"--data {BUILT_IN} --documents {DOCUMENTS} --minutes 0 --out {tmp_path / 'again.json'} "
        f"--weights {trained / FILE_NAME} --tokenizer {trained / TOKENIZER} {from_there(tmp_path)}"
    ).split()
    assert main(again) == 0
    assert json.loads((tmp_path / "again.json").read_text(encoding="utf-8")) == report
    lines = (tmp_path / KEPT).read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / KEPT).write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(SystemExit):
        main(again)
    assert "time was over after 1 documents" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*again, "--longest", "500"])
    assert "is of another study" in capsys.readouterr().err


def test_weights_of_another_network_are_refused(trained: Path, artifact: Path) -> None:
    tokenizer = Tokenizer.load(artifact / TOKENIZER)
    with pytest.raises(ValueError, match="weights are of another network"):
        read_network(trained / FILE_NAME, tokenizer, {"ffn_dim": 48})


def finish(artifact: Path, study: Path, out: Path) -> int:
    return main(f"--artifact {artifact} --finish {study} --out {out}".split())


def test_its_report_becomes_that_of_the_export(
    studied: Path, report: dict[str, Any], artifact: Path, tmp_path: Path
) -> None:
    assert not report.keys() & {"schema", "model", "golden"}
    assert finish(artifact, studied / "study.json", tmp_path / "faithfulness.json") == 0
    found = json.loads((tmp_path / "faithfulness.json").read_text(encoding="utf-8"))
    assert found["model"]["sha256"] == read_manifest(artifact).model_sha256
    assert found["golden"] == golden_scores(ExportedModel(artifact), artifact)
    assert {key: found[key] for key in report} == report
    # A report that was finished for another export of the same weights is finished anew.
    older = tmp_path / "older.json"
    older.write_text(json.dumps(found | {"model": {"sha256": "0" * 64}, "golden": []}))
    assert finish(artifact, older, tmp_path / "again.json") == 0
    assert json.loads((tmp_path / "again.json").read_text(encoding="utf-8")) == found
    assert (tmp_path / "faithfulness.svg").read_text(encoding="utf-8").startswith("<svg")


def test_a_report_of_other_weights_is_refused(
    report: dict[str, Any], artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.json").write_text(json.dumps(report | {"weights_sha256": "0" * 64}))
    with pytest.raises(SystemExit):
        finish(artifact, tmp_path / "other.json", tmp_path / "faithfulness.json")
    assert "the report is of other weights" in capsys.readouterr().err
    assert not (tmp_path / "faithfulness.json").exists()


def test_summaries_are_known_by_their_texts(studied: Path, trained: Path) -> None:
    model = network_model(trained / FILE_NAME, trained / TOKENIZER, None)
    examples = choose([str(BUILT_IN)], DOCUMENTS, model.tokenizer)
    found = read_summaries(studied / SUMMARIES, model, examples[::-1])
    expected = write_summaries(model, examples[::-1])
    assert [d.summary_ids.tolist() for d in found] == [d.summary_ids.tolist() for d in expected]
    with pytest.raises(ValueError, match="has no summary of a text of"):
        read_summaries(studied / SUMMARIES, model, [replace(examples[0], text="Another text.")])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "either --data or --finish"),
        (["--data", "a", "--finish", "b"], "either --data or --finish"),
        (["--data", "a", "--weights", "b"], "--weights and --tokenizer belong together"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert complaint in capsys.readouterr().err
