from __future__ import annotations

import errno
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from model.summarizer import Summarizer
from model.training.checkpoint import (
    CheckpointError,
    read_state,
    read_weights,
    restore_checkpoint,
    save_checkpoint,
)
from model.training.optimization import WarmupStableDecay, make_optimizer

STATE = {"step": 7, "epoch": 1, "position": 3, "seconds": 1.5}
INPUTS = {
    "source_ids": np.array([[5, 6, 7, 1]], np.int32),
    "source_keep_mask": np.ones((1, 4), bool),
    "previous_ids": np.array([[3, 6]], np.int32),
    "summary_ids": np.array([[6, 1]], np.int32),
    "sentence_ids": np.array([[1, 1, 2, 0]], np.int32),
    "sentence_targets": np.array([[0, 1]], np.float32),
}
Job = tuple[Summarizer, keras.optimizers.Optimizer]


@pytest.fixture
def make_job(make_network: Callable[..., Summarizer]) -> Callable[..., Job]:
    def make(seed: int = 0, optimizer: str = "adamw", **sizes: Any) -> Job:
        network = make_network(12, seed, num_layers=1, **sizes)
        schedule = WarmupStableDecay(peak=0.01, steps=100, warmup_steps=4, decay_steps=10)
        made = make_optimizer(optimizer, schedule)
        made.build(network.trainable_variables)
        return network, made

    return make


@pytest.fixture
def job(make_job: Callable[..., Job]) -> Job:
    return make_job()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.npz"


def train(job: Job, steps: int = 1) -> None:
    network, optimizer = job
    for _ in range(steps):
        with tf.GradientTape() as tape:
            found = network(INPUTS, training=True)
            loss = -tf.reduce_mean(found["summary"]) - found["sentences"][0, 1]
        weights = network.trainable_variables
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        optimizer.apply(gradients, weights)


def values(job: Job) -> list[Any]:
    return [variable.numpy() for part in job for variable in part.variables]


def assert_same(ours: list[Any], theirs: list[Any]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


@contextmanager
def no_file_over(size: int) -> Iterator[None]:
    """Writing more fails, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_job_goes_on_exactly_as_if_it_had_not_stopped(
    make_job: Callable[..., Job], path: Path, optimizer: str
) -> None:
    job, other = make_job(0, optimizer), make_job(1, optimizer)
    train(job, 2)
    save_checkpoint(path, *job, STATE)
    assert restore_checkpoint(path, *other) == STATE
    assert_same(values(other), values(job))
    train(job)
    train(other)
    assert_same(values(other), values(job))


def test_state_can_be_read_alone(job: Job, path: Path) -> None:
    save_checkpoint(path, *job, STATE)
    assert read_state(path) == STATE


def test_weights_can_be_taken_without_the_optimizer(
    make_job: Callable[..., Job], path: Path
) -> None:
    job, other = make_job(0, "muon"), make_job(1, "adamw")
    train(job)
    save_checkpoint(path, *job, STATE)
    restore_checkpoint(path, other[0])
    assert_same(other[0].get_weights(), job[0].get_weights())
    assert int(other[1].iterations) == 0


def test_a_new_checkpoint_takes_the_place_of_the_old(job: Job, path: Path) -> None:
    save_checkpoint(path, *job, STATE)
    save_checkpoint(path, *job, {**STATE, "step": 8})
    assert read_state(path)["step"] == 8
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.npz"]


def test_on_a_full_disk_the_old_checkpoint_stays(job: Job, path: Path) -> None:
    save_checkpoint(path, *job, STATE)
    with (
        no_file_over(2048),
        pytest.raises(CheckpointError, match=r"checkpoint\.npz: not written: File too"),
    ):
        save_checkpoint(path, *job, {**STATE, "step": 8})
    assert restore_checkpoint(path, *job) == STATE
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.npz"]


def test_a_directory_that_is_not_there_is_an_error(job: Job, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"checkpoint\.npz: not written: No such file"):
        save_checkpoint(tmp_path / "none" / "checkpoint.npz", *job, STATE)


def test_a_directory_that_is_a_file_is_an_error(job: Job, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"checkpoint\.npz: not written: Not a directory"):
        save_checkpoint(tmp_path / "file" / "checkpoint.npz", *job, STATE)


def test_a_directory_that_refuses_is_an_error_and_the_old_checkpoint_stays(
    job: Job, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(path, *job, STATE)

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    # Tests may run as root, whom no mode stops.
    for name in ("open", "unlink", "replace"):
        monkeypatch.setattr(Path, name, refuse)
    with pytest.raises(CheckpointError, match=r"checkpoint\.npz: not written: Permission denied"):
        save_checkpoint(path, *job, {**STATE, "step": 8})
    monkeypatch.undo()
    assert read_state(path) == STATE


def test_a_missing_checkpoint_is_an_error(job: Job, path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"checkpoint\.npz: not a checkpoint: .*No such file"):
        restore_checkpoint(path, *job)


@pytest.mark.parametrize("damage", ["empty", "text", "head", "middle", "tail", "changed"])
def test_a_damaged_checkpoint_is_an_error(job: Job, path: Path, damage: str) -> None:
    save_checkpoint(path, *job, STATE)
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "empty": b"",
            "text": b"no checkpoint at all\n",
            "head": whole[:40],
            "middle": whole[:middle],
            "tail": whole[:-10],
            "changed": whole[:middle]
            + bytes(b ^ 1 for b in whole[middle : middle + 512])
            + whole[middle + 512 :],
        }[damage]
    )
    with pytest.raises(CheckpointError, match=r"checkpoint\.npz: not a checkpoint"):
        restore_checkpoint(path, *job)


def test_another_file_of_arrays_is_an_error(job: Job, path: Path) -> None:
    np.savez(path, x=np.zeros(3))
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        read_state(path)


def test_another_networks_sizes_are_an_error_that_names_the_variable(
    make_job: Callable[..., Job], job: Job, path: Path
) -> None:
    save_checkpoint(path, *job, STATE)
    with pytest.raises(
        CheckpointError, match=r"ffn/inner/kernel is \(8, 16\), this job's is \(8, 24\)"
    ):
        restore_checkpoint(path, *make_job(ffn_dim=24))


def test_another_networks_depth_is_an_error(
    make_network: Callable[..., Summarizer], job: Job, path: Path
) -> None:
    save_checkpoint(path, *job, STATE)
    with pytest.raises(CheckpointError, match=r"holds \d+ model arrays, this job has \d+"):
        restore_checkpoint(path, make_network(12, num_layers=2))


def test_another_optimizer_is_an_error(make_job: Callable[..., Job], path: Path) -> None:
    save_checkpoint(path, *make_job(optimizer="muon"), STATE)
    with pytest.raises(CheckpointError, match="optimizer"):
        restore_checkpoint(path, *make_job(optimizer="adamw"))


def test_weights_alone_are_read_in_their_order_without_seeds(path: Path) -> None:
    arrays = {f"model/{i}": np.full(2, i, np.float32) for i in range(12)}
    np.savez(path, **arrays, **{"model/12": np.zeros(2, np.uint32), "optimizer/0": np.ones(1)})
    assert [array[0] for array in read_weights(path)] == [*range(12)]
    np.savez(path, other=np.zeros(1))
    with pytest.raises(CheckpointError, match="holds no network"):
        read_weights(path)
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        read_weights(path.with_name("missing.npz"))
