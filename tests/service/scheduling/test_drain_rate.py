from __future__ import annotations

import pytest

from service.scheduling.drain_rate import HALF_LIFE_S, DrainRate


def test_the_guess_holds_until_a_measurement_outweighs_it() -> None:
    rate = DrainRate(lambda: 1, first_guess=100)
    assert rate.of_one == pytest.approx(100)
    rate.learn(1_000, 1)
    assert rate.of_one == pytest.approx(1_000, rel=0.05)


def test_long_calls_say_more_than_short_ones() -> None:
    rate = DrainRate(lambda: 1, first_guess=1_000)
    for _ in range(20):
        rate.learn(1_000, 1)  # a full batch
        rate.learn(1, 0.01)  # a single one, at a tenth of the speed
    assert rate.of_one == pytest.approx(1_000, rel=0.02)


def test_old_measurements_fade_by_half_in_their_half_life() -> None:
    rate = DrainRate(lambda: 1, first_guess=1_000)
    for _ in range(1_000):
        rate.learn(10, 0.01)
    for _ in range(round(HALF_LIFE_S / 0.01)):
        rate.learn(20, 0.01)
    assert rate.of_one == pytest.approx(1_500, rel=0.02)


def test_a_clock_that_stood_still_is_no_division_by_zero() -> None:
    rate = DrainRate(lambda: 1, first_guess=1_000)
    for _ in range(3):
        rate.learn(10, 0)
    assert 0 < rate.seconds(10) < 1


def test_workers_share_the_cost_but_one_does_the_last_piece() -> None:
    rate = DrainRate(lambda: 4, first_guess=100)
    assert rate.seconds(800) == pytest.approx(2)
    assert rate.seconds(100, largest=100) == pytest.approx(1)  # alone, it is not done faster
