from __future__ import annotations

import pytest

from bench.engine.bound import Ceilings, Work, bound_s, work_of

CONFIG = {"hidden_dim": 2, "ffn_dim": 4, "num_layers": 1, "vocab_size": 10}
CEILINGS = Ceilings(flops=100.0, encoder_flops=200.0, memory_bytes=1.0, cached_bytes=10.0)


def test_operations_of_a_tiny_network() -> None:
    work = work_of(CONFIG, [3], 1, 3)
    # A layer: 4 D², two D x F, twice 3 positions of D; then keys and values, D² each.
    assert work.encoder_flops == 2 * 3 * (4 * 4 + 2 * 8 + 2 * 3 * 2 + 2 * 4)
    # LSTM 8 D², query and output 2 D², two D x F, V x D; then twice 3 positions of D.
    weights = 8 * 4 + 2 * 4 + 2 * 8 + 10 * 2
    assert work.step_flops == 2 * (weights + 2 * 3 * 2)
    assert work.step_bytes == 4 * (weights + 2 * 3 * 2)


def test_hypotheses_share_weights_but_not_operations() -> None:
    one, four = work_of(CONFIG, [3], 1, 3), work_of(CONFIG, [3], 4, 3)
    assert four.step_flops == 4 * one.step_flops
    assert four.step_bytes == one.step_bytes
    assert four.encoder_flops == one.encoder_flops


def test_texts_share_weights_but_not_what_is_looked_at() -> None:
    one, two = work_of(CONFIG, [3], 1, 3), work_of(CONFIG, [3, 3], 1, 3)
    assert two.encoder_flops == 2 * one.encoder_flops
    assert one.step_bytes < two.step_bytes < 2 * one.step_bytes


def test_a_window_bounds_what_is_looked_at() -> None:
    window = CONFIG | {"attention_window": 1, "num_global_tokens": 0}
    assert work_of(window, [3], 1, 3) == work_of(CONFIG, [3], 1, 3)
    assert work_of(window, [9], 1, 9).encoder_flops < work_of(CONFIG, [9], 1, 9).encoder_flops


@pytest.mark.parametrize(("step_flops", "expected"), [(100.0, 0.5 + 2 * 1), (10.0, 0.5 + 2 * 0.5)])
def test_a_step_computes_or_reads_whichever_takes_longer(
    step_flops: float, expected: float
) -> None:
    work = Work(encoder_flops=100.0, step_flops=step_flops, step_bytes=5.0)
    assert bound_s(work, CEILINGS, steps=2) == pytest.approx(expected)
