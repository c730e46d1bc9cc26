"""A job stops and goes on; it validates, reports, and refuses a loss that is not a number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from model.data import BatchOptions
from model.readers import DataError, DataFile, Example
from model.train import BUILT_IN
from model.training import checkpoint
from model.training.checkpoint import CheckpointError
from model.training.corpus import HELD_OUT_MOST, Corpus
from model.training.job import Job, TrainOptions, take_tokenizer

# One length for all sources, targets and labels: every other shape costs seconds of tracing.
BATCHES = BatchOptions(
    max_source_tokens=48,
    max_summary_tokens=4,
    bucket_tokens=48,
    inner_share=0.0,
    tokens_per_batch=192,
    window_batches=4,
    seed=3,
)
OPTIONS = TrainOptions(
    steps=4,
    vocab_size=500,
    hidden_dim=8,
    num_layers=1,
    warmup_steps=1,
    decay_steps=0,
    checkpoint_steps=2,
    validation_steps=100,
    batches=BATCHES,
)


@pytest.fixture(scope="module")
def validated_corpus() -> Corpus:
    """Tracing the search that validates costs seconds a job."""
    whole = Corpus.read([DataFile(address=str(BUILT_IN))], [], BATCHES.max_source_tokens)
    examples, weight = whole.groups[0]
    return Corpus([(examples[:24], weight)], whole.validation[:4])


@pytest.fixture(scope="module")
def corpus(validated_corpus: Corpus) -> Corpus:
    return Corpus(validated_corpus.groups, [])


def weights(job: Job) -> list[np.ndarray]:
    return [variable.numpy() for variable in job.model.variables]


def test_a_job_that_was_stopped_ends_with_the_same_weights(tmp_path: Path, corpus: Corpus) -> None:
    whole = Job(tmp_path / "whole", corpus, OPTIONS)
    whole.run()
    part = Job(tmp_path / "part", corpus, TrainOptions(**{**vars(OPTIONS), "steps": 2}))
    part.run()
    rest = Job(tmp_path / "part", corpus, OPTIONS)
    assert rest.resume()
    rest.run()
    assert rest.state["step"] == whole.state["step"] == 4
    for ours, theirs in zip(weights(rest), weights(whole), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_new_job_has_nothing_to_resume(tmp_path: Path, corpus: Corpus) -> None:
    assert not Job(tmp_path, corpus, OPTIONS).resume()


def test_it_reports_loss_rouge_and_time_left(
    tmp_path: Path, validated_corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    options = TrainOptions(**{**vars(OPTIONS), "steps": 1})
    Job(tmp_path, validated_corpus, options).run()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("step step=1 loss=")
    assert "minutes_left=0" in lines[0]
    assert lines[1].startswith("validation builtin step=1 loss=")
    assert "rougeL=" in lines[1]


def test_a_loss_that_is_not_finite_ends_it_and_the_checkpoint_stays(
    tmp_path: Path, corpus: Corpus
) -> None:
    job = Job(tmp_path, corpus, TrainOptions(**{**vars(OPTIONS), "steps": 2}))
    job.run()
    before = job.checkpoint_path.read_bytes()
    broken = Job(tmp_path, corpus, OPTIONS)
    broken.resume()
    broken.model.embedding.embeddings.assign(
        keras.ops.full_like(broken.model.embedding.embeddings, np.nan)
    )
    with pytest.raises(FloatingPointError, match="loss is nan after step 2"):
        broken.run()
    assert job.checkpoint_path.read_bytes() == before


def test_a_checkpoint_of_another_size_is_refused(tmp_path: Path, corpus: Corpus) -> None:
    Job(tmp_path, corpus, TrainOptions(**{**vars(OPTIONS), "steps": 1})).run()
    wider = Job(tmp_path, corpus, TrainOptions(**{**vars(OPTIONS), "hidden_dim": 16}))
    with pytest.raises(CheckpointError, match=r"embedding.* is \(500, 8\), this job's is"):
        wider.resume()


def test_without_validation_files_a_part_of_the_data_is_held_out() -> None:
    whole = Corpus.read([DataFile(address=str(BUILT_IN))], [], 48)
    held, (kept, _) = whole.validation, whole.groups[0]
    assert 0 < len(held) <= HELD_OUT_MOST
    assert not {e.text for e in held} & {e.text for e in kept}


def test_a_file_of_few_pairs_holds_out_nothing(tmp_path: Path) -> None:
    path = tmp_path / "few.jsonl"
    path.write_text('{"text": "a b", "summary": "a"}\n')
    assert Corpus.read([DataFile(address=str(path))], [], 48).validation == []


def test_bad_rows_are_left_out_of_training_and_of_validation(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,summary\nA text.,A summary\nB text., \n", encoding="utf-8")
    corpus = Corpus.read([DataFile(address=str(path))], [path], 48, max_bad_rows=0.5)
    assert [e.text for group, _ in corpus.groups for e in group] == ["A text."]
    assert [e.text for e in corpus.validation] == ["A text."]


def test_a_sample_takes_from_every_file() -> None:
    def group(name: str, count: int) -> list[Example]:
        return [Example(f"{name}{i}", "s", "headline", name) for i in range(count)]

    corpus = Corpus([(group("a", 10), 1.0), (group("b", 1000), 1.0)], [])
    origins = {example.origin for example in corpus.sample(5)}
    assert origins == {"a", "b"}


def test_the_tokenizer_of_an_artifact_is_taken(tmp_path: Path) -> None:
    source, out = tmp_path / "artifact", tmp_path / "out"
    source.mkdir()
    (source / "tokenizer.json").write_text("{}")
    take_tokenizer(source, out)
    assert (out / "tokenizer.json").read_text() == "{}"


def test_a_new_style_takes_a_spare_start_token(tmp_path: Path, corpus: Corpus) -> None:
    first = Job(tmp_path, corpus, OPTIONS)
    examples = [replace(example, style="tldr") for example in corpus.groups[0][0]]
    second = Job(tmp_path, Corpus([(examples, 1.0)], []), OPTIONS)
    assert second.tokenizer.vocab_size == first.tokenizer.vocab_size
    assert second.tokenizer.styles == [*first.tokenizer.styles, "tldr"]


def test_what_is_exported_computes_in_full_precision(tmp_path: Path, corpus: Corpus) -> None:
    mixed = TrainOptions(**{**vars(OPTIONS), "encoder_dtype": "mixed_bfloat16"})
    job = Job(tmp_path, corpus, mixed)
    exported = job.exportable().model
    assert job.model.blocks[0].compute_dtype == "bfloat16"
    assert exported.blocks[0].compute_dtype == "float32"
    for ours, theirs in zip(exported.variables, job.model.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_the_checkpoint_tells_where_the_job_is(tmp_path: Path, corpus: Corpus) -> None:
    job = Job(tmp_path, corpus, TrainOptions(**{**vars(OPTIONS), "steps": 1}))
    job.run()
    state = checkpoint.read_state(job.checkpoint_path)
    assert (state["step"], state["epoch"], state["position"]) == (1, 0, 1)


def test_a_validation_that_was_interrupted_is_made_again(
    tmp_path: Path, validated_corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TrainOptions(**{**vars(OPTIONS), "steps": 2, "validation_steps": 2})
    killed = Job(tmp_path, validated_corpus, options)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(killed, "validate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    assert checkpoint.read_state(killed.checkpoint_path)["step"] == 2
    for _ in range(2):  # the second start has nothing left to do
        job = Job(tmp_path, validated_corpus, options)
        job.resume()
        job.run()
        assert [row["step"] for row in job.history.rows() if "validation" in row] == [2]


def test_patience_ends_it_and_the_best_weights_are_exported(
    tmp_path: Path, validated_corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"steps": 6, "validation_steps": 1, "patience": 2, "ema_decay": 0.5}
    job = Job(tmp_path, validated_corpus, TrainOptions(**{**vars(OPTIONS), **changes}))
    scores, exported = iter([10.0, 30.0, 20.0, 30.0]), []

    def measure(_: list[Example]) -> dict[str, float]:
        exported.append(weights(job))  # with the average in place
        rouge = next(scores)
        return {"loss": 1.0, "rouge1": rouge, "rouge2": rouge, "rougeL": rouge}

    monkeypatch.setattr(job, "_measure", measure)
    job.run()
    assert job.state["step"] == 4
    assert job.state["best"] == {"rouge": 30.0, "step": 2}
    for ours, best in zip(job.exportable().model.variables, exported[1], strict=True):
        np.testing.assert_array_equal(ours.numpy(), best)
    again = Job(tmp_path, validated_corpus, job.options)
    again.resume()
    again.run()
    assert again.state["step"] == 4


def test_patience_without_validation_is_an_error(tmp_path: Path, corpus: Corpus) -> None:
    with pytest.raises(DataError, match="--patience needs pairs to validate on"):
        Job(tmp_path, Corpus(corpus.groups, []), TrainOptions(**{**vars(OPTIONS), "patience": 1}))


def test_an_average_begins_at_the_weights_of_an_older_checkpoint(
    tmp_path: Path, corpus: Corpus
) -> None:
    Job(tmp_path, corpus, TrainOptions(**{**vars(OPTIONS), "steps": 1})).run()
    job = Job(tmp_path, corpus, TrainOptions(**{**vars(OPTIONS), "ema_decay": 0.9}))
    job.resume()
    assert job.average
    trainable = job.model.trainable_variables
    for average, weight in zip(job.average.variables[1:], trainable, strict=True):
        np.testing.assert_array_equal(average.numpy(), weight.numpy())


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path, corpus: Corpus) -> None:
    job = Job(tmp_path, corpus, OPTIONS)
    job.save()
    before = job.checkpoint_path.read_bytes()
    job.model.copy_gate_dense.kernel.assign(np.full((8, 1), np.inf))
    with pytest.raises(FloatingPointError, match=r"checkpoint\.npz: not written: model/\d+ holds"):
        job.save()
    assert job.checkpoint_path.read_bytes() == before
