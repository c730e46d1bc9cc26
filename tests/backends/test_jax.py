"""A job trains on JAX where no TensorFlow is, and goes on and is exported under TensorFlow."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from model.artifact import read_manifest
from model.faithfulness.__main__ import main as study
from model.readers import DataFile
from model.scoring.network_scorer import read_network
from model.tokenizer import Tokenizer
from model.train import BUILT_IN, main, options_of, parse_arguments
from model.training.checkpoint import read_state
from model.training.corpus import Corpus
from model.training.job import Job
from model.training.validation import measure

ROOT = Path(__file__).parents[2]
STEPS = 40  # fewer, and the rules of the search allow nothing that the network thinks likeliest
SMALL = (
    "--data builtin --precision float32 --golden-lead 0 --hidden-dim 16 --num-layers 1 "
    "--vocab-size 600 --max-source-tokens 48 --bucket-tokens 48 --max-summary-tokens 6 "
    "--tokens-per-batch 1024 --warmup-steps 2 --decay-steps 10 --validation-steps 100 "
    "--learning-rate 1e-2 --dropout 0.1 --ema-decay 0.9 --label-smoothing 0.1 --merge-dropout 0.1"
).split()


def arguments(out: Path, steps: int = STEPS) -> list[str]:
    return [*SMALL, "--out", str(out), "--steps", str(steps)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What JAX wrote, and what it reported."""
    out = tmp_path_factory.mktemp("jax") / "out"
    python = os.environ["BACKEND_PYTHON"]
    without = subprocess.run([python, "-c", "import tensorflow"], capture_output=True, check=False)
    assert without.returncode, "the other environment has TensorFlow"
    return out, on_jax("model.train", *arguments(out))


def on_jax(module: str, *given: str) -> str:
    """What a command of the project prints there, or a program after `-c`."""
    asked = [module] if module == "-c" else ["-m", module]
    done = subprocess.run(
        [os.environ["BACKEND_PYTHON"], *asked, *given],
        env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(1200)
def test_it_trains_without_tensorflow_and_says_how_to_export(trained: tuple[Path, str]) -> None:
    out, printed = trained
    assert read_state(out / "checkpoint.npz")["step"] == STEPS
    assert "the same command under TensorFlow exports it" in printed
    assert not (out / "artifacts").exists()


@pytest.mark.timeout(1200)
def test_the_loss_is_the_same_to_six_digits(trained: tuple[Path, str], tmp_path: Path) -> None:
    out = shutil.copytree(trained[0], tmp_path / "out")
    options = options_of(vars(parse_arguments(arguments(out))))
    corpus = Corpus.read([DataFile.parse(str(BUILT_IN))], [], options.batches.max_source_tokens)
    job = Job(out, corpus, options)
    assert job.resume()
    assert job.average
    with job.average.in_place():
        found = measure(
            job.inference, job.tokenizer, job.truecaser, corpus.validation, options.batches
        )
    [*_, last] = job.history.rows()
    assert found["loss"] == pytest.approx(last["validation"]["builtin"]["loss"], rel=1e-6)


@pytest.mark.timeout(1200)
def test_tensorflow_goes_on_and_exports(trained: tuple[Path, str], tmp_path: Path) -> None:
    out = shutil.copytree(trained[0], tmp_path / "out")
    assert main(arguments(out, STEPS + 2)) == 0
    assert read_state(out / "checkpoint.npz")["step"] == STEPS + 2
    assert read_manifest(out / "artifacts" / "1").training["progress"]["step"] == STEPS + 2


@pytest.mark.timeout(1200)
def test_a_study_of_explanations_has_the_same_figures(
    trained: tuple[Path, str], tmp_path: Path
) -> None:
    out = trained[0]
    weights = f"--weights {out / 'checkpoint.npz'} --tokenizer {out / 'tokenizer.json'}"
    given = [*weights.split(), "--data", str(BUILT_IN), "--documents", "2"]
    summaries = str(tmp_path / "summaries.jsonl")
    on_jax("model.faithfulness", *given, "--write-summaries", summaries)
    given += ["--summaries", summaries, "--out"]
    on_jax("model.faithfulness", *given, str(tmp_path / "jax.json"))
    assert study([*given, str(tmp_path / "tensorflow.json")]) == 0
    ours, theirs = (
        json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("tensorflow", "jax")
    )
    assert ours["weights_sha256"] == theirs["weights_sha256"]
    for method, entry in ours["methods"].items():
        for figure in ("comprehensiveness", "sufficiency"):
            found = [e["mean"] for e in theirs["methods"][method][figure]]
            assert found == pytest.approx([e["mean"] for e in entry[figure]], abs=1e-4), method
    assert "gradient" in ours["methods"]


SALIENCY = """
import sys
from pathlib import Path
import numpy as np
from model.scoring.network_scorer import read_network
from model.tokenizer import Tokenizer
network = read_network(Path(sys.argv[1]), Tokenizer.load(Path(sys.argv[2])))
with np.load(sys.argv[3]) as given:
    asked = [given[name] for name in ("source_ids", "summary_ids", "target")]
np.save(sys.argv[4], network.scorer(network.styles[0]).saliency(*asked))
"""


@pytest.mark.timeout(600)
def test_gradients_are_those_of_tensorflow(trained: tuple[Path, str], tmp_path: Path) -> None:
    """There they are what the signature says, which another test shows."""
    out = trained[0]
    network = read_network(out / "checkpoint.npz", Tokenizer.load(out / "tokenizer.json"))
    text = "The town council agreed on a new bridge after a long debate on Monday."
    ids = np.array(network.tokenizer.encode(text).ids, np.int32)
    asked = {"source_ids": ids, "summary_ids": ids[-4:], "target": np.array([1.0, 0.0, 2.0, 1.0])}
    np.savez(tmp_path / "asked.npz", **asked)
    paths = [out / "checkpoint.npz", out / "tokenizer.json", tmp_path / "asked.npz"]
    on_jax("-c", SALIENCY, *map(str, paths), str(tmp_path / "found.npy"))
    expected = network.scorer(network.styles[0]).saliency(**asked)
    assert expected.max() > 0
    found = np.load(tmp_path / "found.npy")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())
