from __future__ import annotations

import keras
import numpy as np
import pytest

from model.training.optimization import WarmupStableDecay, make_optimizer, negative_log_likelihood

SCHEDULE = WarmupStableDecay(peak=2.0, steps=100, warmup_steps=10, decay_steps=20)


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 0.2),
        (4, 1.0),
        (9, 2.0),
        (10, 2.0),
        (50, 2.0),
        (80, 2.0),
        (90, 1.0),
        (98, 0.2),
        (99, 0.1),
        (100, 0.1),
        (200, 0.1),
    ],
)
def test_the_rate_rises_stays_and_falls_to_a_twentieth(step: int, rate: float) -> None:
    assert float(SCHEDULE(step)) == pytest.approx(rate)


def test_without_decay_the_rate_stays() -> None:
    schedule = WarmupStableDecay(peak=2.0, steps=100, warmup_steps=0, decay_steps=0)
    assert [float(schedule(step)) for step in (0, 50, 99)] == [2.0] * 3


def test_the_stable_part_does_not_depend_on_the_end() -> None:
    longer = WarmupStableDecay(peak=2.0, steps=1000, warmup_steps=10, decay_steps=20)
    assert [float(longer(step)) for step in (0, 5, 80)] == [
        float(SCHEDULE(step)) for step in (0, 5, 80)
    ]


def test_a_schedule_is_rebuilt_from_its_config() -> None:
    again = WarmupStableDecay(**SCHEDULE.get_config())
    assert [float(again(step)) for step in (0, 50, 95)] == [
        float(SCHEDULE(step)) for step in (0, 50, 95)
    ]


def test_the_loss_is_the_mean_over_real_tokens() -> None:
    weights = np.array([[1, 1, 1], [1, 0, 0]], np.float32)
    log_probs = np.array([[-1.0, -2.0, -3.0], [-6.0, -50.0, -70.0]], np.float32)
    loss = np.asarray(negative_log_likelihood(weights, log_probs))
    assert loss.shape == (2,)
    assert loss.mean() == pytest.approx(12.0 / 4)


def test_the_loss_ignores_padding() -> None:
    weights = np.array([[1, 1, 0]], np.float32)
    losses = [
        float(negative_log_likelihood(weights, np.array([[-1.0, -2.0, last]], np.float32))[0])
        for last in (-1.0, -1e6)
    ]
    assert losses == [1.5, 1.5]


def test_a_batch_of_padding_has_no_loss() -> None:
    loss = negative_log_likelihood(np.zeros((2, 3)), np.full((2, 3), -5.0, np.float32))
    np.testing.assert_array_equal(loss, [0.0, 0.0])


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_optimizers_lower_a_loss(name: str) -> None:
    matrix = keras.Variable(np.eye(4, dtype="float32"), name="matrix")
    schedule = WarmupStableDecay(peak=0.1, steps=100, warmup_steps=1, decay_steps=0)
    optimizer = make_optimizer(name, schedule)
    optimizer.build([matrix])
    before = float(np.square(matrix.numpy()).sum())
    for _ in range(3):
        optimizer.apply([2 * matrix.value])
    assert float(np.square(matrix.numpy()).sum()) < before


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_gradients_are_clipped_to_norm_one(name: str) -> None:
    assert make_optimizer(name, SCHEDULE).global_clipnorm == 1.0


def test_another_optimizer_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="must be 'adamw' or 'muon', got 'sgd'"):
        make_optimizer("sgd", SCHEDULE)
