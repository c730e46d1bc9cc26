"""Label smoothing changes what the generator learns, and nothing else of the mixture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from model.summarizer import Prediction, Source, Summarizer, generator_smoothing, score

SMOOTHING, VOCAB = 0.2, 5
SOURCE_IDS = np.array([[3, 4, 1]], np.int32)
SUMMARY_IDS = np.array([[4, 2]], np.int32)  # the first can be copied, the second can't
LOGITS = np.random.default_rng(0).normal(size=(1, 2, VOCAB)).astype(np.float32)
ATTENTION = np.array([[[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]], np.float32)
GATE = np.array([[0.6, 0.3]], np.float32)
INPUTS = {
    "source_ids": SOURCE_IDS,
    "source_keep_mask": np.ones((1, 3), bool),
    "previous_ids": np.array([[3, 4]], np.int32),
    "summary_ids": SUMMARY_IDS,
    "sentence_ids": np.array([[1, 1, 0]], np.int32),
    "sentence_targets": np.ones((1, 1), np.float32),
}


def gradients(smoothing: float) -> tuple[list[Any], Any]:
    """Of the loss by logits, attention and gate; and the score."""
    inputs = [tf.constant(value) for value in (LOGITS, ATTENTION, GATE)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        prediction = Prediction(*inputs)
        nothing = tf.zeros((1, 3, 1))
        projected = dict.fromkeys(("encoder_output", "key", "value"), nothing)
        source = Source(SOURCE_IDS, SOURCE_IDS > 0, initial_state=(nothing, nothing), **projected)
        scored = score(source, prediction, SUMMARY_IDS)
        added = smoothing * generator_smoothing(prediction, scored, SUMMARY_IDS)
        loss = tf.reduce_sum(-scored.log_probs + added)
    return tape.gradient(loss, inputs), scored


def test_copy_gate_and_attention_keep_their_gradients() -> None:
    (_, *plain), _ = gradients(0.0)
    (_, *smoothed), _ = gradients(SMOOTHING)
    for ours, theirs in zip(smoothed, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_the_generator_gets_a_smoothed_target_for_its_share_of_the_token() -> None:
    (found, _, _), scored = gradients(SMOOTHING)
    generated, copied = scored.generated_prob.numpy(), scored.copied_prob.numpy()
    share = (generated / (generated + copied))[..., None]
    target = (1 - SMOOTHING) * np.eye(VOCAB)[SUMMARY_IDS] + SMOOTHING / VOCAB
    expected = share * (tf.nn.softmax(LOGITS).numpy() - target)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert 0 < share[0, 0, 0] < 1
    assert share[0, 1, 0] == 1


def test_it_is_for_training_alone(make_network: Callable[..., Summarizer]) -> None:
    network = make_network()
    plain = network(INPUTS, training=True)["summary"].numpy()
    network.label_smoothing = SMOOTHING
    try:
        np.testing.assert_array_equal(network(INPUTS, training=False)["summary"].numpy(), plain)
        assert not np.allclose(network(INPUTS, training=True)["summary"].numpy(), plain)
    finally:
        network.label_smoothing = 0.0
