"""What the recipe for one GPU leaves behind becomes an artifact that computes the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from model import artifact
from model.accelerated.publish import main, network
from model.artifact import read_manifest
from model.summarizer import Summarizer, score
from model.tokenizer import EOS_ID, Tokenizer

pytestmark = pytest.mark.timeout(600)  # exports under coverage, on a slow machine

RECIPE = {
    "short": {"size": 4, "source_tokens": 32},
    "optimizer": "muon",
    "seed": 0,
    "mixture": {"hidden_share": 0.1},
}
HISTORY = [
    {"step": 1, "loss": 6.0, "summary": 5.0},
    {"step": 2, "press": 5.5},
    {"step": 2, "loss": 5.0, "summary": 4.0},
]


@pytest.fixture
def run(wordy_network: Summarizer, tokenizer: Tokenizer, tmp_path: Path) -> Path:
    arrays = {f"model/{i}": np.asarray(v) for i, v in enumerate(wordy_network.variables)}
    # The other backend's seed of a dropout, which is no weight.
    arrays[f"model/{len(arrays)}"] = np.zeros(2, np.uint32)
    np.savez(tmp_path / "student.npz", **arrays)
    known = {
        "config": wordy_network.config.to_dict() | {"dropout": 0.1},
        "recipe": RECIPE,
        "steps": 2,
        "history": HISTORY,
    }
    (tmp_path / "student.json").write_text(json.dumps(known), encoding="utf-8")
    tokenizer.save(tmp_path / "tokenizer.json")
    (tmp_path / "data.jsonl").write_text("", encoding="utf-8")
    return tmp_path


def test_an_artifact_scores_as_the_network_does(
    run: Path, wordy_network: Summarizer, tokenizer: Tokenizer
) -> None:
    given = f"--run {run} --tokenizer {run}/tokenizer.json --data {run}/data.jsonl=0.5"
    given += f" --root {run}/artifacts --max-source-tokens 32"
    assert main(given.split()) == 0
    directory = run / "artifacts" / "1"
    ids = np.array([[40, 50, 60, 70, EOS_ID]], np.int32)
    start = tokenizer.start_id("headline")
    summary = np.array([[50, 60, EOS_ID]], np.int32)
    loaded = tf.saved_model.load(str(directory / artifact.SAVED_MODEL))
    dtypes = artifact.SIGNATURES[artifact.SCORE][0]
    inputs = {
        "source_ids": ids,
        "source_keep_mask": ids > 0,
        "summary_ids": summary,
        "style_ids": np.array([list(read_manifest(directory).styles).index("headline")]),
    }
    tensors = {name: tf.constant(inputs[name], dtype) for name, dtype in dtypes.items()}
    found = loaded.signatures[artifact.SCORE](**tensors)
    source = wordy_network.encode(ids, ids > 0)
    previous = np.array([[start, 50, 60]], np.int32)
    expected = score(source, wordy_network.predict_all(source, previous), summary)
    assert found["log_probs"].numpy() == pytest.approx(np.asarray(expected.log_probs), abs=1e-4)
    assert (directory / "learning_curves.svg").exists()
    training = read_manifest(directory).training
    assert training["progress"] == {"step": 2}
    assert training["options"]["batches"]["tokens_per_batch"] == 128


def test_weights_of_another_size_are_refused(
    run: Path, make_network: Callable[..., Summarizer]
) -> None:
    other = make_network(30)
    arrays = {f"model/{i}": np.asarray(v) for i, v in enumerate(other.variables)}
    np.savez(run / "student.npz", **arrays)
    with pytest.raises(ValueError, match=r"student\.npz are not of the sizes in student\.json"):
        network(run)


def test_a_network_that_lacks_a_part_is_not_published(run: Path) -> None:
    known = json.loads((run / "student.json").read_text(encoding="utf-8"))
    changed = json.dumps(known | {"network": "WithoutCopy"})
    (run / "student.json").write_text(changed, encoding="utf-8")
    with pytest.raises(ValueError, match="WithoutCopy"):
        network(run)
