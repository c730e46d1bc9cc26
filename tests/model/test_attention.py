from __future__ import annotations

from typing import Any

import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops
from numpy.typing import NDArray

from model.attention import (
    FULL_WINDOWS,
    CrossAttention,
    SelfAttention,
    attend,
    attend_in_window,
    causal_mask,
    rotate,
    window_mask,
)

HALVES = ["float16", "bfloat16"]


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def numpy_attend(
    query: NDArray[Any], key: NDArray[Any], value: NDArray[Any], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    query, key, value = (np.asarray(part, np.float64) for part in (query, key, value))
    scores = query @ np.swapaxes(key, -1, -2) / np.sqrt(query.shape[-1])
    exponentials = np.where(mask, np.exp(scores - scores.max(axis=-1, keepdims=True)), 0.0)
    weights = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return weights @ value, weights


def randomize(layer: keras.layers.Layer) -> None:
    for i, weight in enumerate(layer.trainable_variables):
        weight.assign(normal(*weight.shape, seed=100 + i))


@pytest.fixture
def self_attention() -> SelfAttention:
    layer = SelfAttention(8, 2)
    layer.build((None, None, 8))
    randomize(layer)
    return layer


def test_attend_agrees_with_float64_numpy() -> None:
    query, key, value = normal(2, 3, 4), normal(2, 5, 4, seed=1), normal(2, 5, 6, seed=2)
    mask = np.random.default_rng(3).random((2, 3, 5)) < 0.6
    mask[:, :, 0] = True
    output, weights = attend(query, key, value, mask)
    expected_output, expected_weights = numpy_attend(query, key, value, mask)
    np.testing.assert_allclose(output, expected_output, atol=1e-6)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-6)


def test_attend_without_a_mask_looks_everywhere() -> None:
    query, key, value = normal(2, 3, 4), normal(2, 5, 4, seed=1), normal(2, 5, 6, seed=2)
    output, weights = attend(query, key, value)
    expected_output, expected_weights = numpy_attend(query, key, value, np.array(True))
    np.testing.assert_allclose(output, expected_output, atol=1e-6)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-6)


def test_scores_are_divided_by_the_root_of_the_head_size() -> None:
    query = np.array([[2.0, 0.0, 0.0, 0.0]], np.float32)
    key = np.array([[2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]], np.float32)
    _, weights = attend(query, key, key)
    e_squared = np.exp(4.0 / np.sqrt(4.0))
    np.testing.assert_allclose(weights[0], [e_squared / (e_squared + 1), 1 / (e_squared + 1)], 1e-6)


@settings(max_examples=30)
@given(arrays(bool, st.tuples(st.integers(1, 4), st.integers(2, 6))))
def test_rows_sum_to_one_and_rows_without_a_key_to_zero(mask: NDArray[np.bool_]) -> None:
    steps, length = mask.shape
    _, weights = attend(normal(steps, 4), normal(length, 4), normal(length, 4), mask)
    np.testing.assert_allclose(ops.sum(weights, axis=-1), mask.any(axis=1), atol=1e-6)
    assert not np.asarray(weights)[~mask].any()


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_a_row_that_may_look_nowhere_is_all_zeros(dtype: str) -> None:
    parts = [ops.cast(normal(1, 3, 4, seed=seed), dtype) for seed in range(3)]
    mask = np.array([[True, True, True], [False, False, False], [True, False, False]])
    output, weights = attend(*parts, mask)
    assert not np.asarray(ops.cast(output, "float32"))[0, 1].any()
    assert not np.asarray(weights)[0, 1].any()
    assert np.isfinite(np.asarray(ops.cast(output, "float32"))).all()


@pytest.mark.parametrize("dtype", HALVES)
def test_half_precision_gives_float32_weights_and_an_output_in_the_values_type(dtype: str) -> None:
    parts = [ops.cast(normal(1, 3, 4, seed=seed), dtype) for seed in range(3)]
    output, weights = attend(*parts)
    assert keras.backend.standardize_dtype(output.dtype) == dtype
    assert keras.backend.standardize_dtype(weights.dtype) == "float32"


@pytest.mark.parametrize("dtype", HALVES)
def test_half_precision_agrees_with_float64_numpy(dtype: str) -> None:
    rounded = [
        normal(2, 5, 8, seed=seed).astype(getattr(ml_dtypes, dtype, np.float16))
        for seed in range(3)
    ]
    mask = np.tril(np.ones((5, 5), bool))
    output, weights = attend(*(ops.convert_to_tensor(part, dtype) for part in rounded), mask)
    expected_output, expected_weights = numpy_attend(*rounded, mask)
    np.testing.assert_allclose(weights, expected_weights, atol=2e-2)
    np.testing.assert_allclose(ops.cast(output, "float32"), expected_output, atol=5e-2)


@pytest.mark.parametrize("dtype", HALVES)
def test_large_scores_stay_finite_in_half_precision(dtype: str) -> None:
    # Scores of 100 * 100 * 8 / sqrt(8), about 28,000: exp of them overflows in any type.
    signs = np.array([[1.0], [-1.0], [1.0]])
    query = ops.cast(100.0 * signs * np.ones((3, 8)), dtype)
    mask = np.array([[True, True, False], [True, False, False], [False, False, False]])
    output, weights = attend(query, query, query, mask)
    np.testing.assert_array_equal(weights, [[1, 0, 0], [1, 0, 0], [0, 0, 0]])
    assert np.isfinite(np.asarray(ops.cast(output, "float32"))).all()


def test_causal_mask_is_true_up_to_the_diagonal() -> None:
    np.testing.assert_array_equal(causal_mask(4), np.tril(np.ones((4, 4), bool)))


def test_under_a_causal_mask_the_future_cannot_change_the_past(
    self_attention: SelfAttention,
) -> None:
    inputs = normal(1, 6, 8)
    changed = inputs.copy()
    changed[:, 4:] += 10.0
    before, weights = self_attention(inputs, causal_mask(6))
    after, _ = self_attention(changed, causal_mask(6))
    np.testing.assert_allclose(before[:, :4], after[:, :4], atol=1e-6)
    assert not np.triu(np.asarray(weights)[0, 0], 1).any()


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_rotation_keeps_norms(dtype: str) -> None:
    inputs = ops.cast(normal(2, 7, 8), dtype)
    before, after = (np.asarray(ops.cast(part, "float32")) for part in (inputs, rotate(inputs)))
    np.testing.assert_allclose(
        np.linalg.norm(after, axis=-1), np.linalg.norm(before, axis=-1), rtol=2e-2
    )


def test_rotated_dot_products_depend_only_on_the_distance() -> None:
    query = np.tile(normal(8), (12, 1))
    key = np.tile(normal(8, seed=1), (12, 1))
    products = np.asarray(rotate(query)) @ np.asarray(rotate(key)).T
    for distance in range(-11, 12):
        diagonal = np.diagonal(products, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], atol=1e-4)
    assert abs(products[0, 1] - products[0, 5]) > 1e-3


def test_the_first_position_is_not_rotated() -> None:
    inputs = normal(3, 8)
    np.testing.assert_allclose(rotate(inputs)[0], inputs[0], atol=1e-7)


def test_self_attention_without_positions_is_keras_multi_head_attention() -> None:
    ours = SelfAttention(8, 2, use_positions=False)
    ours.build((None, None, 8))
    randomize(ours)
    theirs = keras.layers.MultiHeadAttention(num_heads=2, key_dim=4, use_bias=False)
    theirs.build((None, None, 8), (None, None, 8))
    kernels = [np.asarray(weight) for weight in ours.trainable_variables]  # query, key, value, out
    theirs.set_weights([*(k.reshape(8, 2, 4) for k in kernels[:3]), kernels[3].reshape(2, 4, 8)])
    inputs, mask = normal(2, 5, 8), np.ones((2, 5), bool)
    mask[1, 3:] = False
    output, weights = ours(inputs, mask[:, None, None, :])
    expected, expected_weights = theirs(
        inputs,
        inputs,
        attention_mask=np.repeat(mask[:, None, :], 5, axis=1),
        return_attention_scores=True,
    )
    np.testing.assert_allclose(output, expected, atol=1e-5)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-6)


def test_cross_attention_is_keras_multi_head_attention_with_one_head() -> None:
    ours = CrossAttention(8)
    ours.build((None, None, 8))
    randomize(ours)
    theirs = keras.layers.MultiHeadAttention(num_heads=1, key_dim=8, use_bias=False)
    theirs.build((None, None, 8), (None, None, 8))
    kernels = [np.asarray(weight) for weight in ours.trainable_variables]  # query, key, value, out
    theirs.set_weights([*(k.reshape(8, 1, 8) for k in kernels[:3]), kernels[3].reshape(1, 8, 8)])
    query, encoded, mask = normal(2, 3, 8), normal(2, 5, 8, seed=1), np.ones((2, 5), bool)
    mask[1, 3:] = False
    output, weights = ours(query, *ours.project(encoded), mask)
    expected, expected_weights = theirs(
        query,
        encoded,
        attention_mask=np.repeat(mask[:, None, :], 3, axis=1),
        return_attention_scores=True,
    )
    np.testing.assert_allclose(output, expected, atol=1e-5)
    np.testing.assert_allclose(weights, expected_weights[:, 0], atol=1e-6)


def test_self_attention_has_four_matrices_and_no_bias(self_attention: SelfAttention) -> None:
    assert [tuple(weight.shape) for weight in self_attention.trainable_variables] == [(8, 8)] * 4


def test_a_new_self_attention_adds_nothing() -> None:
    output, _ = SelfAttention(8, 2)(normal(1, 3, 8), np.ones((1, 1, 1, 3), bool))
    assert not np.asarray(output).any()


def test_padding_content_changes_nothing(self_attention: SelfAttention) -> None:
    inputs = normal(1, 6, 8)
    changed = inputs.copy()
    changed[:, 4:] = 1e3
    mask = np.array([True] * 4 + [False] * 2)[None, None, None, :]
    before, _ = self_attention(inputs, mask)
    after, _ = self_attention(changed, mask)
    np.testing.assert_array_equal(before[:, :4], after[:, :4])


def test_self_attention_with_positions_sees_the_order(self_attention: SelfAttention) -> None:
    inputs, everywhere = normal(1, 4, 8), np.ones((1, 1, 1, 4), bool)
    before, _ = self_attention(inputs, everywhere)
    swapped, _ = self_attention(inputs[:, [0, 2, 1, 3]], everywhere)
    assert np.abs(np.asarray(before[:, 0] - swapped[:, 0])).max() > 1e-3


def test_self_attention_in_half_precision_takes_boolean_masks() -> None:
    layer = SelfAttention(8, 2, dtype="mixed_bfloat16")
    output, weights = layer(normal(1, 3, 8), np.zeros((1, 1, 1, 3), bool))
    assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"
    assert not np.asarray(weights).any()


def test_heads_must_divide_the_hidden_size() -> None:
    with pytest.raises(ValueError, match="hidden_dim 8 is not a multiple of num_heads 3"):
        SelfAttention(8, 3)


def in_window(
    length: int, window: int, num_global: int, *, hidden: float = 0.2, dim: int = 8
) -> tuple[Any, Any]:
    """Windowed attention and what one masked matrix gives."""
    query, key, value = (normal(2, 3, length, dim, seed=i) for i in range(3))
    kept = np.random.default_rng(9).random((2, length)) >= hidden
    kept[:, -1] = True
    output = attend_in_window(query, key, value, kept, window=window, num_global=num_global)
    mask = np.asarray(window_mask(length, window, num_global)) & kept[:, None, None, :]
    return output, attend(query, key, value, mask)[0]


@settings(max_examples=40, deadline=None)
@given(length=st.integers(2, 60), window=st.integers(1, 20), num_global=st.integers(0, 3))
def test_windowed_attention_is_attention_under_the_window_mask(
    length: int, window: int, num_global: int
) -> None:
    output, expected = in_window(length, window, num_global)
    np.testing.assert_allclose(output, expected, atol=2e-6)


@pytest.mark.parametrize("window", [None, 3])
def test_the_weights_of_one_head_are_those_that_are_used(window: int | None) -> None:
    inputs, keep = normal(2, 9, 8), np.arange(9)[None, :] < np.array([[9], [6]])
    layer = SelfAttention(8, 2, window=window, num_global=1 if window else 0)
    whole = SelfAttention(8, 2)
    for one in (layer, whole):
        one.build((None, None, 8))
    for ours, theirs in zip(whole.variables, layer.variables, strict=True):
        ours.assign(theirs)
    mask = keep[:, None, None, :]
    if window:
        mask = mask & np.asarray(window_mask(9, window, 1))[None, None]
    _, expected = whole(inputs, mask)
    for head in range(2):
        found = layer.head_weights(inputs, keep, np.int32(head))
        np.testing.assert_allclose(found, np.asarray(expected)[:, head], atol=1e-6)


def test_inside_the_window_it_is_full_attention() -> None:
    query, key, value = (normal(2, 3, 9, 8, seed=i) for i in range(3))
    kept = np.ones((2, 9), bool)
    output = attend_in_window(query, key, value, kept, window=9, num_global=0)
    np.testing.assert_allclose(output, attend(query, key, value)[0], atol=1e-6)


def test_blocks_never_meet_all_of_a_long_sequence() -> None:
    length, window = 64 * FULL_WINDOWS, 16
    query, key, value = (normal(1, 1, length, 4, seed=i) for i in range(3))
    kept = np.ones((1, length), bool)
    before = attend_in_window(query, key, value, kept, window=window, num_global=2)
    changed = value.copy()
    changed[:, :, length // 2] += 100.0
    after = attend_in_window(query, key, changed, kept, window=window, num_global=2)
    moved = np.abs(np.asarray(after) - np.asarray(before)).max(axis=(0, 1, 3)) > 1e-6
    near = np.abs(np.arange(length) - length // 2) <= window
    assert moved.tolist() == (near | (np.arange(length) < 2)).tolist()


@pytest.mark.parametrize("length", [12, 200])
def test_windowed_attention_in_a_graph_of_unknown_length(length: int) -> None:
    layer = SelfAttention(8, 2, window=16, num_global=2)
    layer.build((None, None, 8))
    randomize(layer)
    inputs, kept = normal(2, length, 8), np.ones((2, 1, 1, length), bool)
    eager, weights = layer(inputs, kept)
    assert weights is None
    graph = tf.function(
        lambda inputs, kept: layer(inputs, kept)[0],
        input_signature=[
            tf.TensorSpec([None, None, 8]),
            tf.TensorSpec([None, 1, 1, None], tf.bool),
        ],
        autograph=False,
    )
    np.testing.assert_allclose(graph(inputs, kept), eager, atol=1e-5)


@pytest.mark.parametrize(("window", "num_global"), [(0, 0), (-1, 0), (4, -1), (4, 5)])
def test_a_window_has_room_for_the_global_positions(window: int, num_global: int) -> None:
    with pytest.raises(ValueError, match=str(window)):
        SelfAttention(8, 2, window=window, num_global=num_global)
