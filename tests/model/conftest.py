"""A small tokenizer and tiny networks that the tests of `model` share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import settings

from model.encoder import SummarizerConfig
from model.summarizer import Summarizer
from model.tokenizer import Tokenizer

keras.config.disable_traceback_filtering()  # whole tracebacks, and a tenth less time

BUILTIN_CORPUS = Path(__file__).parents[2] / "model" / "builtin_corpus.jsonl"
STYLES = ("headline", "title")
VOCAB_SIZE = 600

# The same examples in every run, and no time limit for one: other jobs share the machine.
settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def corpus() -> list[dict[str, str]]:
    lines = BUILTIN_CORPUS.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def tokenizer(corpus: list[dict[str, str]]) -> Tokenizer:
    texts = [row["text"] for row in corpus]
    return Tokenizer.train(texts, [row["summary"] for row in corpus], STYLES, VOCAB_SIZE)


@pytest.fixture(scope="session")
def make_network() -> Callable[..., Summarizer]:
    """Builds a network of hidden_dim 8 in which no weight is left at zero."""

    def make(vocab_size: int = 20, seed: int = 0, **sizes: Any) -> Summarizer:
        keras.utils.set_random_seed(seed)
        defaults = {"hidden_dim": 8, "num_layers": 2, "num_heads": 2, "ffn_dim": 16, "dropout": 0.0}
        config = SummarizerConfig(vocab_size=vocab_size, **(defaults | sizes))
        network = Summarizer(config)
        rng = np.random.default_rng(seed)
        for weight in network.trainable_variables:
            # Norm scales stay near 1; matrices keep the size that glorot gives.
            center = 1.0 if weight.path.endswith("scale") else 0.0
            weight.assign(center + rng.normal(0.0, weight.shape[-1] ** -0.5, weight.shape))
        return network

    return make


@pytest.fixture(scope="session")
def network(make_network: Callable[..., Summarizer]) -> Summarizer:
    """Over a toy vocabulary of 20 ids; tests don't change it."""
    return make_network()


@pytest.fixture(scope="session")
def wordy_network(make_network: Callable[..., Summarizer], tokenizer: Tokenizer) -> Summarizer:
    """Over the small tokenizer's vocabulary; tests don't change it."""
    network = make_network(tokenizer.vocab_size)
    # Wide logits: an untrained network is sure of something.
    network.decoder_norm.trainable_variables[0].assign(np.full(8, 8.0))
    network.embedding.embeddings.assign(network.embedding.embeddings * 2.0)
    return network
