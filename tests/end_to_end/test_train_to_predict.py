"""The whole way: text -> trained network -> SavedModel -> POST /predict, with a tiny network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
import tensorflow as tf

from model import artifact
from model.evaluate import main as evaluate
from model.train import main as train

Serve = Callable[[Path], str]

VALUE = ".ATTRIBUTES/VARIABLE_VALUE"

TEXT = (
    "The harbour museum of Linden Bay opens a new hall on Saturday. It shows forty model ships "
    "that a retired rope maker built over thirty years. Entry is free until the end of June."
)


def predict(url: str, **request: object) -> httpx.Response:
    return httpx.post(f"{url}/predict", json=request, timeout=60)


@pytest.mark.timeout(240)
def test_a_trained_network_answers_over_http(trained: Path, serve: Serve) -> None:
    answer = predict(serve(trained / "artifacts"), inputs=TEXT)
    assert answer.status_code == httpx.codes.OK
    prediction = answer.json()["predictions"][0]
    assert prediction["summary"]
    assert prediction["source"]["used_end"] == len(TEXT)
    for token in prediction["attention"]:
        assert prediction["summary"][token["start"] : token["end"]] == token["token"]
        weights = [source["weight"] for source in token["sources"]]
        assert sum(weights) + token["rest"] == pytest.approx(1, abs=1e-3)
        for source in token["sources"]:
            assert TEXT[source["start"] : source["end"]] == source["token"]


def test_a_text_gets_the_same_answer_alone_and_beside_others(trained: Path, serve: Serve) -> None:
    url = serve(trained / "artifacts")
    alone = predict(url, inputs=TEXT, attention="matrix").json()["predictions"][0]
    others = [TEXT, "A short note.", TEXT + " " + TEXT]
    beside = predict(url, inputs=others, attention="matrix").json()["predictions"][0]
    assert alone["summary"] == beside["summary"]
    for ours, theirs in zip(
        alone["attention"]["weights"], beside["attention"]["weights"], strict=True
    ):
        assert ours == pytest.approx(theirs, abs=1e-4)


def test_matrix_and_sources_tell_the_same(trained: Path, serve: Serve) -> None:
    url = serve(trained / "artifacts")
    matrix = predict(url, inputs=TEXT, attention="matrix").json()["predictions"][0]["attention"]
    sources = predict(url, inputs=TEXT).json()["predictions"][0]["attention"]
    assert matrix["shape"] == [len(matrix["weights"]), len(matrix["weights"][0])]
    rows = [
        row
        for row, special in zip(matrix["weights"], matrix["summary_tokens"]["special"], strict=True)
        if not special
    ]
    for row, token in zip(rows, sources, strict=True):
        assert sum(row) == pytest.approx(1, abs=1e-3)
        if token["sources"]:
            assert token["sources"][0]["weight"] <= max(row) + 1e-6


def test_limits_are_kept(trained: Path, serve: Serve) -> None:
    request = {"inputs": TEXT, "max_new_tokens": 4, "min_new_tokens": 4, "num_beams": 2}
    answer = predict(serve(trained / "artifacts"), **request).json()
    assert answer["usage"]["summary_tokens"] == 4


def test_evaluation_and_card_speak_of_the_same_artifact(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "validation.jsonl"
    rows = Path("model/builtin_corpus.jsonl").read_text(encoding="utf-8").splitlines()[:12]
    data.write_text("\n".join(rows) + "\n", encoding="utf-8")
    directory, figures = trained / "artifacts" / "1", tmp_path / "figures.json"
    before = artifact.read_manifest(directory)
    arguments = ["--data", str(data), "--artifact", str(directory), "--json", str(figures)]
    arguments += ["--num-beams", "1", "--write-card", "--training", str(data)]
    assert evaluate(arguments) == 0
    printed = capsys.readouterr().out
    assert "| builtin | 12 |" in printed
    assert "| builtin | references |" in printed
    (row,) = json.loads(figures.read_text())
    assert row["documents"] == row["support"]["summaries"] == row["training_names"]["total"] == 12
    after = artifact.read_manifest(directory)
    assert after.model_sha256 == before.model_sha256
    assert "| builtin | 12 |" in (directory / artifact.MODEL_CARD).read_text(encoding="utf-8")


def test_training_goes_on_from_an_artifact(trained: Path, tmp_path: Path) -> None:
    start, no_directory = trained / "artifacts" / "1", tmp_path / "file"
    no_directory.touch()
    sizes = "--hidden-dim 32 --num-layers 1 --vocab-size 700 --max-source-tokens 96".split()
    arguments = ["--data", "builtin", "--out", str(tmp_path / "out"), *sizes, "--steps", "1"]
    arguments += ["--init-from", str(start), "--learning-rate", "1e-9"]
    # What it would export is not looked at; it ends before that.
    arguments += ["--tokens-per-batch", "512", "--artifacts", str(no_directory)]
    assert train(arguments) == 1
    before = tf.train.load_checkpoint(str(start / "saved_model/variables/variables"))
    with np.load(tmp_path / "out" / "checkpoint.npz") as after:
        names = [name for name in after.files if name.startswith("model/")]
        assert len(names) > 30
        for name in names:
            weights = before.get_tensor(f"weights/{name.removeprefix('model/')}/{VALUE}")
            np.testing.assert_allclose(after[name], weights, atol=1e-6)
