from __future__ import annotations

from collections.abc import Callable

import numpy as np

from model.summarizer import Summarizer
from model.training.averaging import WeightAverage


def set_all(network: Summarizer, value: float) -> None:
    for weight in network.trainable_variables:
        weight.assign(np.full(weight.shape, value, np.float32))


def averages(average: WeightAverage) -> list[np.ndarray]:
    return [variable.numpy() for variable in average.variables[1:]]


def assert_all(arrays: list[np.ndarray], value: float) -> None:
    for array in arrays:
        np.testing.assert_allclose(array, np.full_like(array, value), rtol=1e-5)


def test_it_begins_at_the_weights(make_network: Callable[..., Summarizer]) -> None:
    network = make_network()
    average = WeightAverage(network, 0.9)
    for one, other in zip(averages(average), network.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, other.numpy())


def test_early_updates_count_for_more(make_network: Callable[..., Summarizer]) -> None:
    network = make_network()
    set_all(network, 0.0)
    average = WeightAverage(network, 0.99)
    set_all(network, 1.0)
    average.update()
    assert_all(averages(average), 1 - 2 / 11)
    average.update()
    assert_all(averages(average), 1 - 2 / 11 * 3 / 12)


def test_later_the_decay_holds(make_network: Callable[..., Summarizer]) -> None:
    network = make_network()
    average = WeightAverage(network, 0.5)
    set_all(network, 0.0)
    for _ in range(60):
        average.update()
    set_all(network, 1.0)
    average.update()
    np.testing.assert_allclose(averages(average)[0], 0.5, atol=1e-5)


def test_weights_come_back_to_the_bit(make_network: Callable[..., Summarizer]) -> None:
    network = make_network()
    before = [weight.numpy() for weight in network.trainable_variables]
    average = WeightAverage(network, 0.9)
    for variable in average.variables[1:]:
        variable.assign(np.full(variable.shape, 0.125))
    with average.in_place():
        assert_all([weight.numpy() for weight in network.trainable_variables], 0.125)
    for weight, old in zip(network.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)
    assert_all(averages(average), 0.125)


def test_a_restart_forgets(make_network: Callable[..., Summarizer]) -> None:
    network = make_network()
    average = WeightAverage(network, 0.99)
    for _ in range(3):
        average.update()
    set_all(network, 2.0)
    average.restart()
    assert_all(averages(average), 2.0)
    set_all(network, 3.0)
    average.update()
    assert_all(averages(average), 3 - 2 / 11)
