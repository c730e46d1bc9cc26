"""The tables of fine-tuning and of ablation, in small; run where JAX is."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.accelerated import ablation, finetuning
from model.accelerated.batches import PLAIN, DeviceCorpus, RowStream, make_batch
from model.accelerated.recipe import Recipe, Shape
from model.accelerated.trainer import Trainer
from model.encoder import SummarizerConfig
from model.packed import PackedCorpus
from model.packed import main as pack
from model.readers import read_examples
from model.summarizer import Summarizer
from model.tokenizer import Tokenizer
from model.words.truecasing import Truecaser

FILE = Path(__file__).parents[3] / "model" / "builtin_corpus.jsonl"


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of one style only, a truecaser, and packs."""
    place = tmp_path_factory.mktemp("room")
    examples = list(read_examples(str(FILE), 100_000))
    texts = [example.text for example in examples]
    Tokenizer.train(texts, [e.summary for e in examples], ("headline", "title"), 600).save(
        place / "tokenizer.json"
    )
    spellings = json.dumps(Truecaser.learn(texts).spellings)
    (place / "truecaser.json").write_text(spellings, encoding="utf-8")
    base = place / "packs" / "base"
    base.mkdir(parents=True)
    given = f"--data {FILE} --tokenizer {place}/tokenizer.json --truecaser {place}/truecaser.json"
    for name in ("press", "arxiv", "bills", "press.validation"):
        assert pack([*given.split(), "--out", str(base / f"{name}.npz")]) == 0
    return place


@pytest.fixture(scope="module")
def trainer(room: Path) -> Trainer:
    config = SummarizerConfig(vocab_size=600, hidden_dim=16, num_layers=1, ffn_dim=32)
    shape = Shape(source_tokens=64, size=8)
    recipe = Recipe(seconds=0.0, steps=3, short=shape, gap_until=1.0, gap_share=1.0)
    packed = PackedCorpus.load(room / "packs" / "base" / "press.npz")
    return Trainer(Summarizer(config), recipe, DeviceCorpus.of(packed))


def test_with_a_share_of_one_only_hidden_sentences_are_learnt_from(room: Path) -> None:
    packed = PackedCorpus.load(room / "packs" / "base" / "press.npz")
    rows, key, corpus = jnp.arange(32), jax.random.key(0), DeviceCorpus.of(packed)
    alone, mixed = (
        make_batch(corpus, rows, key, PLAIN, 256, 48, jnp.float32(share)) for share in (1.0, 0.99)
    )
    used = ~np.asarray(alone["is_plain"])
    assert 0 < used.sum() < len(used)
    weights = np.asarray(alone["summary_weights"]).sum(axis=1)
    assert (weights[used] > 0).all()
    assert (weights[~used] == 0).all()
    assert (np.asarray(mixed["summary_weights"]).sum(axis=1) > 0).all()


def test_a_restart_repeats_what_a_new_trainer_does(trainer: Trainer) -> None:
    rows = np.arange(24)
    weights = [np.asarray(weight) for weight in trainer.state.weights]

    def learnt() -> list[np.ndarray]:
        trainer.restart(weights, trainer.recipe)
        trainer.run(RowStream([(rows, 1.0)], np.zeros(24, bool), 1.0, 0))
        return [np.asarray(weight) for weight in trainer.state.weights]

    first, second = learnt(), learnt()
    for one, other, start in zip(first, second, weights, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.shape == start.shape
    assert any(not np.array_equal(one, start) for one, start in zip(first, weights, strict=True))


def test_validation_by_steps(trainer: Trainer) -> None:
    seen: list[int] = []

    def validate(now: Trainer) -> dict[str, float]:
        seen.append(now.step)
        return {}

    trainer.restart(trainer.state.weights, trainer.recipe)
    rows = RowStream([(np.arange(24), 1.0)], np.zeros(24, bool), 1.0, 0)
    trainer.run(rows, validate=validate, validation_steps=2)
    assert seen == [2, 3]


@pytest.mark.timeout(900)
def test_the_table_of_fine_tuning(
    room: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = SummarizerConfig(vocab_size=600, hidden_dim=16, num_layers=1, ffn_dim=64)
    network = Summarizer(config)
    arrays = {f"model/{i}": np.asarray(v.value) for i, v in enumerate(network.variables)}
    np.savez(tmp_path / "student.npz", **arrays)
    lines = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()][:60]
    train, validation = tmp_path / "train.jsonl", tmp_path / "validation.jsonl"
    for path, part in ((train, lines[:40]), (validation, lines[40:])):
        rows = (json.dumps(line | {"style": "tldr"}) for line in part)
        path.write_text("\n".join(rows), encoding="utf-8")
    given = f"--sets toy={train},{validation} --tokenizer {room}/tokenizer.json "
    given += f"--truecaser {room}/truecaser.json --weights {tmp_path}/student.npz "
    given += f"--out {tmp_path}/out --sizes 20 --epochs 2 --steps 10 --text-steps 3 --batch 8 "
    given += "--source-tokens 64 --num-beams 1 --hidden-dim 16 --layers 1 --precision float32"
    assert finetuning.main([*given.split(), "--prepare"]) == 0
    assert not (tmp_path / "out" / "finetuning.json").exists()
    assert finetuning.main(given.split()) == 0
    rows = json.loads((tmp_path / "out" / "finetuning.json").read_text(encoding="utf-8"))
    assert [(row["pairs"], row["start"]) for row in rows] == [
        *((pairs, start) for pairs in (20, 40) for start in finetuning.RATES),
        (0, finetuning.TRAINED),
    ]
    assert "tldr" in Tokenizer.load(tmp_path / "out" / "tokenizer.json").styles
    assert all(len(row["rouge"]) == 3 for row in rows)
    assert "| toy | 20 |" in capsys.readouterr().out


@pytest.mark.timeout(900)
def test_the_table_of_ablation(
    room: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = room / "packs" / "no-truecasing"
    other.mkdir()
    given = f"--data {FILE} --tokenizer {room}/tokenizer.json --out {other}/press.npz"
    assert pack(given.split()) == 0
    validation = tmp_path / "press.validation.jsonl"
    validation.write_bytes(FILE.read_bytes())
    given = f"--packs {room}/packs --validation {validation} --tokenizer {room}/tokenizer.json "
    given += f"--out {tmp_path}/out --steps 2 --batch 4 --side-by-side 2"
    small = "--hidden-dim 16 --num-layers 1 --source-tokens 64"
    names = [ablation.BASE, "targets not truecased"]
    asked = [*given.split(), "--options", small, "--only"]
    assert ablation.main([*asked, *names]) == 0
    shown = capsys.readouterr().out
    assert f"| {ablation.BASE} |" in shown
    assert "| targets not truecased |" in shown
    assert "no copying" not in shown
    assert ablation.main(asked) == 0  # runs none, prints the same
    again = capsys.readouterr().out
    assert again.startswith("| change |")
    assert shown.endswith(again)
    with pytest.raises(SystemExit):
        ablation.main([*asked, "no copyng"])
    assert "invalid choice: 'no copyng'" in capsys.readouterr().err
    cut = [*given.split(), "--options", f"{small} --vocab-size none", "--only", "no copying"]
    assert ablation.main(cut) == 1  # its run failed
    said = capsys.readouterr().out
    assert "no copying: failed" in said
    assert "| no copying |" not in said
