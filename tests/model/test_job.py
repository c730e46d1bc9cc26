"""A job stops and goes on; it validates, reports, and refuses a loss that is not a number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from model import checkpoint
from model.checkpoint import CheckpointError
from model.data import BatchOptions, DataFile, Example
from model.job import HELD_OUT_MOST, Corpus, Job, TrainOptions, take_tokenizer
from model.train import BUILT_IN

# One length for all sources and nearly all targets: every other shape costs seconds of tracing.
BATCHES = BatchOptions(
    max_source_tokens=48,
    max_summary_tokens=6,
    bucket_tokens=48,
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
def corpus() -> Corpus:
    whole = Corpus.read([DataFile(path=BUILT_IN)], [], BATCHES.max_source_tokens)
    examples, weight = whole.groups[0]
    return Corpus([(examples[:24], weight)], whole.validation[:4])


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
    tmp_path: Path, corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    options = TrainOptions(**{**vars(OPTIONS), "steps": 1})
    Job(tmp_path, corpus, options).run()
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
    whole = Corpus.read([DataFile(path=BUILT_IN)], [], 48)
    held, (kept, _) = whole.validation, whole.groups[0]
    assert 0 < len(held) <= HELD_OUT_MOST
    assert not {e.text for e in held} & {e.text for e in kept}


def test_a_file_of_few_pairs_holds_out_nothing(tmp_path: Path) -> None:
    path = tmp_path / "few.jsonl"
    path.write_text('{"text": "a b", "summary": "a"}\n')
    assert Corpus.read([DataFile(path=path)], [], 48).validation == []


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
