"""Logits of sentences: pooled by sentence, blind to what is hidden, trainable."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from model.attention import MASKED_SCORE
from model.sentence_head import NUM_POSITIONS, SentenceHead

DIM = 8
SENTENCE_IDS = np.array([[1, 1, 2, 2, 2, 3, 0], [1, 2, 2, 0, 0, 0, 0]], np.int32)
MASK = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0]], bool)
STATES = np.random.default_rng(0).normal(size=(2, 7, DIM)).astype(np.float32)


@pytest.fixture
def head() -> SentenceHead:
    layer = SentenceHead(DIM)
    layer.build((None, None, DIM))
    for i, weight in enumerate(layer.trainable_variables):
        weight.assign(np.random.default_rng(i).normal(size=weight.shape).astype(np.float32))
    return layer


def logits(
    head: SentenceHead,
    states: NDArray[np.float32] = STATES,
    mask: NDArray[np.bool_] = MASK,
    ids: NDArray[np.int32] = SENTENCE_IDS,
    count: int = 3,
) -> NDArray[np.float32]:
    return keras.ops.convert_to_numpy(head(states, mask, ids, num_sentences=count))


def test_every_sentence_has_a_logit_and_absent_ones_lose(head: SentenceHead) -> None:
    found = logits(head)
    assert found.shape == (2, 3)
    assert np.isfinite(found).all()
    assert found[1, 2] == MASKED_SCORE
    assert (found[0] > MASKED_SCORE / 2).all()


def test_a_pooled_sentence_by_hand(head: SentenceHead) -> None:
    query = np.asarray(head.pooling_query)

    def pool(states: NDArray[np.float32]) -> NDArray[np.float32]:
        weights = np.exp(states @ query - (states @ query).max())
        return weights @ states / weights.sum()

    pooled = np.stack([pool(STATES[0, SENTENCE_IDS[0] == n]) for n in (1, 2, 3)])
    content = pooled @ np.asarray(head.content_dense.kernel) + np.asarray(head.content_dense.bias)
    salience = (pooled * pooled.mean(axis=0)) @ np.asarray(head.salience_dense.kernel)
    places = np.asarray(head.position_embedding.embeddings)[:3]
    hidden = np.maximum(content + salience + places, 0)
    expected = hidden @ np.asarray(head.logit_dense.kernel)
    np.testing.assert_allclose(logits(head)[0], expected[:, 0], rtol=1e-4, atol=1e-4)


def test_tokens_of_no_sentence_and_hidden_tokens_change_nothing(head: SentenceHead) -> None:
    changed = STATES.copy()
    changed[0, 6] += 10.0
    changed[1, 4:] -= 10.0
    np.testing.assert_allclose(logits(head, changed), logits(head), rtol=1e-5)


def test_a_sentence_that_is_hidden_whole_loses(head: SentenceHead) -> None:
    mask = MASK.copy()
    mask[0, 2:5] = False
    assert logits(head, mask=mask)[0, 1] == MASKED_SCORE


def test_padding_to_more_sentences_changes_nothing(head: SentenceHead) -> None:
    np.testing.assert_allclose(logits(head, count=9)[:, :3], logits(head), rtol=1e-5)


def test_far_sentences_share_a_place(head: SentenceHead) -> None:
    count = NUM_POSITIONS + 4
    ids = np.arange(1, count + 1, dtype=np.int32)[None]
    states = np.ones((1, count, DIM), np.float32)
    found = logits(head, states, ids > 0, ids, count)[0]
    assert np.allclose(found[NUM_POSITIONS - 1 :], found[-1])
    assert not np.allclose(found[:4], found[-1])


def test_a_batch_without_sentences_is_no_error(head: SentenceHead) -> None:
    assert logits(head, ids=np.zeros_like(SENTENCE_IDS), count=0).shape == (2, 0)
