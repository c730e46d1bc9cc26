"""The gradient that ranks words, on JAX: what it says is what a small step does."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from keras import ops

from model.encoder import SummarizerConfig
from model.readers import read_examples
from model.scoring.network_scorer import Network
from model.summarizer import Summarizer
from model.tokenizer import Tokenizer

FILE = Path(__file__).parents[3] / "model" / "builtin_corpus.jsonl"
STEP = 1e-2


@pytest.fixture(scope="module")
def network() -> Network:
    texts = [example.text for example in list(read_examples(str(FILE), 100_000))[:32]]
    tokenizer = Tokenizer.train(texts, texts, ("headline", "title"), 600)
    config = SummarizerConfig(
        vocab_size=tokenizer.vocab_size, hidden_dim=16, num_layers=1, ffn_dim=64, dropout=0.0
    )
    return Network(Summarizer(config), tokenizer, tokenizer.styles)


def test_it_is_how_much_a_step_along_it_changes(network: Network) -> None:
    ids = np.arange(20, 60, dtype=np.int32)
    summary_ids, target = ids[[3, 8, 8, 30]], np.array([1.0, 0.0, 2.0, 1.0])
    found = network.scorer("title").saliency(ids, summary_ids, target)
    style_ids = np.array([network.styles.index("title")], np.int32)

    def total(embedded: jax.Array) -> jax.Array:
        numbers = network._inference.score(
            ids[None], np.ones((1, 40), np.bool_), style_ids, summary_ids[None], embedded=embedded
        )
        return ops.sum(numbers.log_probs * target)

    embedded = network.model.embed(ids[None])
    steps = jax.grad(total)(embedded)
    for place in (3, 8, 17):
        along = steps[0, place] / jnp.linalg.norm(steps[0, place])
        moved = [total(embedded.at[0, place].add(sign * STEP * along)) for sign in (1, -1)]
        assert found[place] == pytest.approx(float(moved[0] - moved[1]) / (2 * STEP), rel=0.05)


def test_padding_and_tokens_that_are_not_asked_about_change_nothing(network: Network) -> None:
    ids = np.arange(20, 60, dtype=np.int32)
    scorer, asked = network.scorer("title"), np.array([1.0, 1.0, 0.0])
    found = scorer.saliency(ids, ids[[3, 8, 30]], asked)
    assert found.shape == ids.shape
    # What is not asked about comes after the rest, which does not know it.
    np.testing.assert_allclose(
        found, scorer.saliency(ids, ids[[3, 8, 12]], asked), rtol=1e-4, atol=1e-6
    )
    assert found[3] > 0
