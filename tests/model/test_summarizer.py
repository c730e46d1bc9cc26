from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from model.encoder import SummarizerConfig
from model.summarizer import (
    EncoderBlock,
    Prediction,
    Source,
    Summarizer,
    score,
)
from model.tokenizer import EOS_ID

SOURCE = np.array([[7, 5, 9, 5, 12, EOS_ID, 0, 0], [6, 8, 11, 4, 10, 6, 13, EOS_ID]], np.int32)
KEEP = np.array([[1, 1, 0, 1, 1, 1, 0, 0], [1] * 8], bool)
PREVIOUS = np.array([[3, 5, 12, 9], [4, 8, 8, 2]], np.int32)
SENTENCES = np.array([[1, 1, 2, 2, 2, 0, 0, 0], [1, 1, 1, 2, 2, 3, 3, 0]], np.int32)
TARGETS = np.array([[0, 1, 0], [0.5, 0, 0.5]], np.float32)
SUMMARY = np.array([[5, 12, 9, EOS_ID], [8, 8, 14, EOS_ID]], np.int32)


def predictions(
    network: Summarizer,
    source_ids: NDArray[np.int32] = SOURCE,
    keep: NDArray[np.bool_] = KEEP,
    previous: NDArray[np.int32] = PREVIOUS,
) -> list[NDArray[np.float32]]:
    prediction = network.predict_all(network.encode(source_ids, keep), previous)
    return [np.asarray(part) for part in prediction]


def assert_close(ours: list[Any], theirs: list[Any], atol: float = 1e-5) -> None:
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=atol)


def test_prediction_shapes(network: Summarizer) -> None:
    shapes = [part.shape for part in predictions(network)]
    assert shapes == [(2, 4, 20), (2, 4, 8), (2, 4)]


def test_what_is_not_copied_is_spread_over_the_vocabulary(network: Summarizer) -> None:
    source = network.encode(SOURCE, KEEP)
    prediction = network.predict_all(source, PREVIOUS)
    each = [
        score(source, prediction, np.full_like(PREVIOUS, token)).generated_prob
        for token in range(network.config.vocab_size)
    ]
    np.testing.assert_allclose(np.sum(each, axis=0), 1.0 - prediction.copy_gate, atol=1e-5)


def test_attention_is_a_distribution_over_kept_tokens(network: Summarizer) -> None:
    _, weights, _ = predictions(network)
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-5)
    kept = KEEP & (SOURCE != 0)
    assert not weights[np.broadcast_to(~kept[:, None, :], weights.shape)].any()


def test_teacher_forcing_is_stepping(network: Summarizer) -> None:
    source = network.encode(SOURCE, KEEP)
    state = tuple(part[:, None] for part in source.initial_state)  # (B, 1, D)
    rows, columns = [], network.output_columns()
    for t in range(PREVIOUS.shape[1]):
        prediction, state = network.predict_next(source, PREVIOUS[:, t : t + 1], state, columns)
        rows.append([np.asarray(part) for part in prediction])
    stepped = [np.concatenate(parts, axis=1) for parts in zip(*rows, strict=True)]
    assert_close(predictions(network), stepped)


def test_hypotheses_of_one_step_do_not_see_each_other(network: Summarizer) -> None:
    source = network.encode(SOURCE, KEEP)
    state = tuple(np.repeat(np.asarray(part)[:, None], 3, axis=1) for part in source.initial_state)
    ids, columns = np.array([[3, 9, 14], [3, 8, 4]], np.int32), network.output_columns()
    together, (hidden, cell) = network.predict_next(source, ids, state, columns)
    for k in range(3):
        one = tuple(part[:, k : k + 1] for part in state)
        alone, after = network.predict_next(source, ids[:, k : k + 1], one, columns)
        assert_close([part[:, k : k + 1] for part in together], list(alone))
        assert_close([hidden[:, k : k + 1], cell[:, k : k + 1]], list(after))


def test_the_first_columns_give_the_first_logits(network: Summarizer) -> None:
    source = network.encode(SOURCE, KEEP)
    state = tuple(part[:, None] for part in source.initial_state)
    whole, first = (
        network.predict_next(source, PREVIOUS[:, :1], state, columns)[0]
        for columns in (network.output_columns(), network.output_tiles(7))
    )
    np.testing.assert_allclose(
        first.generator_logits, np.asarray(whole.generator_logits)[..., :7], atol=1e-6
    )


def test_the_future_never_changes_the_past(network: Summarizer) -> None:
    changed = PREVIOUS.copy()
    changed[:, 2:] = 17
    before, after = predictions(network), predictions(network, previous=changed)
    assert_close([part[:, :2] for part in before], [part[:, :2] for part in after], atol=1e-6)


def test_what_stands_at_a_hidden_position_changes_nothing(network: Summarizer) -> None:
    changed = SOURCE.copy()
    changed[0, 2] = 15  # hidden by KEEP
    for before, after in zip(
        predictions(network), predictions(network, source_ids=changed), strict=True
    ):
        np.testing.assert_array_equal(before, after)


def test_what_stands_at_a_kept_position_matters(network: Summarizer) -> None:
    changed = SOURCE.copy()
    changed[0, 3] = 15
    before, after = predictions(network), predictions(network, source_ids=changed)
    assert np.abs(before[0][0] - after[0][0]).max() > 1e-3


def test_a_hidden_position_still_counts_as_a_place(network: Summarizer) -> None:
    removed = np.delete(SOURCE[:1], 2, axis=1)
    hidden = predictions(network, SOURCE[:1], KEEP[:1], PREVIOUS[:1])
    shorter = predictions(network, removed, removed != 0, PREVIOUS[:1])
    assert np.abs(hidden[0] - shorter[0]).max() > 1e-4


def test_hiding_a_position_matters(network: Summarizer) -> None:
    before, after = predictions(network), predictions(network, keep=SOURCE != 0)
    assert np.abs(before[0][0] - after[0][0]).max() > 1e-3


def test_padding_is_hidden_whatever_the_mask_says(network: Summarizer) -> None:
    assert_close(
        predictions(network, keep=KEEP | (SOURCE == 0)), predictions(network, keep=KEEP), atol=0
    )


def test_pooling_and_all_else_ignore_padding(network: Summarizer) -> None:
    wide = np.pad(SOURCE, ((0, 0), (0, 5)))
    padded, short = network.encode(wide, wide != 0), network.encode(SOURCE, SOURCE != 0)
    assert_close(list(padded.initial_state), list(short.initial_state))
    after = predictions(network, wide, wide != 0)
    before = predictions(network, SOURCE, SOURCE != 0)
    assert_close([after[0], after[1][:, :, :8], after[2]], before)


def test_batch_mates_change_nothing(network: Summarizer) -> None:
    alone = predictions(network, SOURCE[:1], KEEP[:1], PREVIOUS[:1])
    assert_close([part[:1] for part in predictions(network)], alone)


def test_a_source_of_which_nothing_is_kept_gives_finite_numbers(network: Summarizer) -> None:
    log_probs, weights, gate = predictions(network, keep=np.zeros_like(KEEP))
    assert np.isfinite(log_probs).all()
    assert np.isfinite(gate).all()
    assert not weights.any()


def test_the_style_token_changes_the_output(network: Summarizer) -> None:
    other = PREVIOUS.copy()
    other[:, 0] = 16
    before, after = predictions(network), predictions(network, previous=other)
    assert np.abs(before[0][:, 0] - after[0][:, 0]).max() > 1e-3


def test_score_by_hand() -> None:
    source = Source(np.array([[5, 6, 5, 7]], np.int32), None, None, None, None, (None, None))
    generator = np.log(np.array([[[0.1, 0.2, 0.1, 0.1, 0.1, 0.2, 0.1, 0.1]] * 3], np.float32))
    attention = np.array([[[0.3, 0.2, 0.4, 0.1]] * 3], np.float32)
    gate = np.array([[0.75, 0.75, 0.0]], np.float32)
    summary_ids = np.array([[5, 1, 7]], np.int32)
    found = score(source, Prediction(generator + 3.0, attention, gate), summary_ids)
    np.testing.assert_allclose(found.copied_prob, [[0.75 * 0.7, 0.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(found.generated_prob, [[0.25 * 0.2, 0.25 * 0.2, 0.1]], atol=1e-6)
    np.testing.assert_allclose(found.log_probs, np.log([[0.575, 0.05, 0.1]]), atol=1e-5)


def test_log_probs_are_of_the_sum_of_copying_and_generating(network: Summarizer) -> None:
    source = network.encode(SOURCE, KEEP)
    numbers = score(source, network.predict_all(source, PREVIOUS), SUMMARY)
    total = np.asarray(numbers.copied_prob) + np.asarray(numbers.generated_prob)
    np.testing.assert_allclose(np.exp(numbers.log_probs), total, atol=1e-5)


def test_an_impossible_token_has_a_finite_log_prob() -> None:
    source = Source(np.array([[5, 6]], np.int32), None, None, None, None, (None, None))
    prediction = Prediction(
        np.where(np.arange(8) == 7, -1e9, 0.0).astype(np.float32)[None, None],
        np.array([[[1.0, 0.0]]], np.float32),
        np.ones((1, 1), np.float32),
    )
    assert np.isfinite(score(source, prediction, np.array([[7]], np.int32)).log_probs).all()


def test_calling_the_network_gives_the_scores_of_the_summary(network: Summarizer) -> None:
    source = network.encode(SOURCE, KEEP)
    expected = score(source, network.predict_all(source, PREVIOUS), SUMMARY).log_probs
    found = network(
        {
            "source_ids": SOURCE,
            "source_keep_mask": KEEP,
            "previous_ids": PREVIOUS,
            "summary_ids": SUMMARY,
            "sentence_ids": SENTENCES,
            "sentence_targets": TARGETS,
        }
    )
    np.testing.assert_allclose(found["summary"], expected, atol=1e-6)
    logits = network.score_sentences(source, SENTENCES, 3)
    np.testing.assert_allclose(found["sentences"], ops.log_softmax(logits), atol=1e-6)


def test_gradients_reach_every_weight(network: Summarizer) -> None:
    inputs = {
        "source_ids": SOURCE,
        "source_keep_mask": KEEP,
        "previous_ids": PREVIOUS,
        "summary_ids": SUMMARY,
        "sentence_ids": SENTENCES,
        "sentence_targets": TARGETS,
    }
    with tf.GradientTape() as tape:
        found = network(inputs, training=True)
        loss = -ops.sum(found["summary"]) - ops.sum(TARGETS * found["sentences"])
    weights = network.trainable_variables
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    norms = {
        weight.path: None if gradient is None else float(ops.norm(ops.convert_to_tensor(gradient)))
        for weight, gradient in zip(weights, gradients, strict=True)
    }
    assert [path for path, norm in norms.items() if not norm] == []


def test_every_weight_has_a_name_of_its_own(network: Summarizer) -> None:
    paths = [weight.path for weight in network.variables]
    assert len(set(paths)) == len(paths)


def test_dropout_acts_only_in_training(make_network: Callable[..., Summarizer]) -> None:
    network = make_network(dropout=0.5)
    quiet = [np.asarray(network.encode(SOURCE, KEEP).key) for _ in range(2)]
    np.testing.assert_array_equal(*quiet)
    noisy = np.asarray(network.encode(SOURCE, KEEP, training=True).key)
    assert np.abs(noisy - quiet[0]).max() > 1e-3


def test_a_new_block_is_the_identity(network: Summarizer) -> None:
    inputs = np.random.default_rng(0).normal(size=(1, 5, 8)).astype(np.float32)
    output, _ = EncoderBlock(network.config)(inputs, np.ones((1, 1, 1, 5), bool))
    np.testing.assert_array_equal(output, inputs)


def test_a_half_precision_encoder_stays_near_the_exact_one(network: Summarizer) -> None:
    half = Summarizer(network.config, encoder_dtype="mixed_bfloat16")
    half.set_weights(network.get_weights())
    exact, rounded = predictions(network), predictions(half)
    assert [part.dtype for part in rounded] == [np.float32] * 3
    exact[0], rounded[0] = (ops.softmax(part[0]).numpy() for part in (exact, rounded))
    assert_close(exact, rounded, atol=5e-2)


def test_config_survives_json() -> None:
    config = SummarizerConfig(vocab_size=9, hidden_dim=8, dropout=0.25)
    assert SummarizerConfig(**json.loads(json.dumps(config.to_dict()))) == config


def test_config_takes_only_keywords() -> None:
    with pytest.raises(TypeError):
        SummarizerConfig(9)  # type: ignore[misc]


def test_the_same_seed_makes_the_same_network() -> None:
    networks = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        networks.append(Summarizer(SummarizerConfig(vocab_size=9, hidden_dim=8, ffn_dim=8)))
    for one, other in zip(*(network.get_weights() for network in networks), strict=True):
        np.testing.assert_array_equal(one, other)
