"""A graph made anew from an artifact's weights is the next version, with all that it knew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf

from model import artifact
from model.artifact import read_manifest, write_manifest
from model.export import ExportOptions, export, stored_weights
from model.exporting.card import write_carried
from model.inference import Inference
from model.reexport import main
from model.summarizer import Summarizer
from model.tokenizer import Tokenizer
from model.training import curves

pytestmark = pytest.mark.timeout(600)  # exports under coverage, on a slow machine

TRAINING = {"data": [], "progress": {"step": 7}, "options": {"optimizer": "muon"}}


@pytest.fixture(scope="module")
def versions(
    tmp_path_factory: pytest.TempPathFactory,
    make_network: Callable[..., Summarizer],
    wordy_network: Summarizer,
    tokenizer: Tokenizer,
) -> tuple[Path, Path]:
    """An artifact, and the one that was made of it."""
    # A checkpoint holds names, which Keras counts up in a process. The command has a new one.
    keras.utils.clear_session()
    network = make_network(tokenizer.vocab_size)
    network.set_weights(wordy_network.get_weights())
    root = tmp_path_factory.mktemp("reexport")
    options = ExportOptions(
        default_style="headline",
        max_source_tokens=96,
        length_penalty=1.2,
        golden_lead=0.0,
        low_confidence_log_prob=-0.7,
    )
    history = [{"step": 1, "loss": 4.0}, {"step": 7, "loss": 3.0}]
    inference = Inference(network, tokenizer, tokenizer.styles)
    first = export(root, inference, tokenizer, options, TRAINING, history)
    measured = {"length_penalties": {"title": 1.8}, "loose_styles": ("title",)}
    write_manifest(first, replace(read_manifest(first), **measured))
    keras.utils.clear_session()
    again = ["--artifact", str(first), "--root", str(root), "--golden-lead", "0"]
    assert main(again) == 0
    return first, root / "2"


def test_the_weights_are_the_same_bytes(versions: tuple[Path, Path]) -> None:
    first, second = versions
    assert stored_weights(first) == stored_weights(second)


def test_the_manifest_says_what_the_former_said(versions: tuple[Path, Path]) -> None:
    first, second = (vars(read_manifest(directory)) for directory in versions)
    new = {"version", "model_sha256", "files", "created"}
    assert {k: v for k, v in first.items() if k not in new} == {
        k: v for k, v in second.items() if k not in new
    }
    assert second["version"] == "2"
    assert second["loose_styles"] == ("title",)


def test_card_and_curves_come_along(versions: tuple[Path, Path]) -> None:
    first, second = versions
    former, card = ((path / artifact.MODEL_CARD).read_text() for path in versions)
    assert card.startswith("# summarizer 2\n")
    assert card.splitlines()[1:] == former.splitlines()[1:]
    assert (first / curves.FILE_NAME).read_bytes() == (second / curves.FILE_NAME).read_bytes()
    golden = [json.loads(line) for line in (second / artifact.GOLDEN).read_text().splitlines()]
    assert golden


def test_a_card_of_another_version_is_not_carried_over(versions: tuple[Path, Path]) -> None:
    first, second = versions
    card = second / artifact.MODEL_CARD
    kept = card.read_text()
    card.write_text("# summarizer 9\n")
    with pytest.raises(ValueError, match="does not begin"):
        write_carried(first, read_manifest(first), second)
    card.write_text(kept)


def test_other_bytes_are_not_published(
    versions: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The graph is the one that was traced already."""
    first, second = versions
    written = artifact.SAVED_MODEL

    def save_again(directory: Path, _: Inference) -> Any:
        shutil.copytree(second / written, directory / written)
        return tf.saved_model.load(str(second / written)).signatures

    monkeypatch.setattr("model.export._save", save_again)
    monkeypatch.setattr("model.reexport.stored_weights", lambda directory: directory == first)
    with pytest.raises(SystemExit):
        main(["--artifact", str(first), "--root", str(first.parent), "--golden-lead", "0"])
    assert "other bytes" in capsys.readouterr().err
    assert sorted(path.name for path in first.parent.iterdir()) == ["1", "2"]


def test_a_directory_without_an_artifact_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--artifact", str(tmp_path), "--root", str(tmp_path)])
    assert "manifest.json can't be read" in capsys.readouterr().err
