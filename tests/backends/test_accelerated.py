"""The recipe for one GPU, on JAX: its parts are tested there, its student is loaded here."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from model.accelerated.publish import network
from model.packed import main as pack
from model.readers import read_examples
from model.summarizer import score
from model.tokenizer import Tokenizer
from model.train import BUILT_IN
from model.words.truecasing import Truecaser

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "on_jax"
SMALL = (
    "--vocab-size 600 --precision float32 --batch 32 --source-tokens 64 --long-every 0 "
    "--teacher-seconds 3 --teacher-dim 16 --teacher-layers 1 --seconds 1 --steps 140 "
    "--hidden-dim 16 --num-layers 1 --dropout 0.1 --ema-decay 0.9"
).split()


def on_jax(*arguments: str) -> None:
    done = subprocess.run(
        [os.environ["BACKEND_PYTHON"], "-m", *arguments],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(600)
def test_its_parts() -> None:
    apart = ["-c", os.devnull, "--rootdir", str(HERE), "--confcutdir", str(HERE)]
    on_jax("pytest", *apart, "-p", "no:cacheprovider", "-q", str(HERE))


@pytest.mark.timeout(600)
def test_a_teacher_and_a_student_learn_and_tensorflow_loads_the_student(tmp_path: Path) -> None:
    examples = list(read_examples(str(BUILT_IN), 100_000))
    texts = [example.text for example in examples]
    tokenizer = Tokenizer.train(texts, [e.summary for e in examples], ("headline", "title"), 600)
    tokenizer.save(tmp_path / "tokenizer.json")
    spellings = json.dumps(Truecaser.learn(texts).spellings)
    (tmp_path / "truecaser.json").write_text(spellings, encoding="utf-8")
    given = f"--tokenizer {tmp_path}/tokenizer.json --truecaser {tmp_path}/truecaser.json"
    pack(["--data", str(BUILT_IN), *given.split(), "--out", str(tmp_path / "pack.npz")])
    run = tmp_path / "run"
    on_jax("model.accelerated", *SMALL, "--data", f"{tmp_path}/pack.npz=1", "--out", str(run))
    model, known = network(run)
    rows = [row for row in known["history"] if "summary" in row]
    assert known["steps"] == 140
    assert rows[-1]["summary"] < rows[0]["summary"]
    assert (run / "teacher.npz").exists()
    ids = np.array([[40, 50, 60, 70, 1]], np.int32)
    source = model.encode(ids, ids > 0)
    found = score(source, model.predict_all(source, ids), ids).log_probs
    assert np.isfinite(np.asarray(found)).all()
