"""The exported search finds what the reference finds, token for token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from model.data import padded
from model.graph.decoder import Decoder
from model.graph.shapes import SENTENCES, STEPS
from model.graph.summarize import Summarizing
from model.inference import Inference, Summaries
from model.steering.filters import SearchOptions
from model.summarizer import Summarizer
from model.tokenizer import EOS_ID, Tokenizer

pytestmark = pytest.mark.timeout(600)  # exports under coverage, on a slow machine

TEXTS = [
    "The council of Harrow voted on twenty-two new trams for the harbour line on Tuesday.",
    "Rain fell. 🧀 prices rose by 2.5 percent, and O'Hara's guilty plea was heard in Paris.",
    "Two men from Harrow were charged on Monday; two women of Paris were not.",
]


@pytest.fixture(scope="module")
def sources(tokenizer: Tokenizer) -> NDArray[np.int32]:
    rows = [tokenizer.encode(text).ids for text in TEXTS]
    return padded(rows, max(len(row) for row in rows) + 2)


def asked(
    sources: NDArray[np.int32], num_beams: int, *, strict: bool, longest: int, seed: int
) -> dict[str, Any]:
    """Inputs, with limits, penalties and hidden positions of chance."""
    draw, batch = np.random.default_rng(seed), len(sources)
    most = draw.integers(1, longest + 1, batch).astype(np.int32)
    return {
        "source_ids": sources,
        "source_keep_mask": (sources > 0) & (draw.random(sources.shape) > 0.1),
        "style_ids": draw.integers(0, 2, batch).astype(np.int32),
        "options": SearchOptions(
            most,
            np.minimum(most, draw.integers(1, 6, batch)).astype(np.int32),
            draw.choice([0.0, 1.0, 1.4], batch).astype(np.float32),
            np.int32(num_beams),
            np.full(batch, strict),
            np.int32(draw.integers(1, num_beams + 1)),
        ),
        # In some draws more than `SENTENCES`.
        "sentence_ids": np.where(
            sources > EOS_ID, 1 + np.arange(sources.shape[1]) // draw.integers(1, 9), 0
        ).astype(np.int32),
    }


def traced(summarize: Any, inputs: dict[str, Any]) -> Callable[..., Summaries]:
    """As a graph for any sizes, as it is exported; step by step the searches take long."""
    specs = tf.nest.map_structure(
        lambda value: tf.TensorSpec([None] * value.ndim, value.dtype), inputs
    )
    found: Callable[..., Summaries] = tf.function(
        summarize, autograph=False, input_signature=tuple(specs.values())
    )
    return lambda **given: found(*tf.nest.map_structure(tf.constant, given).values())


def same(ours: Summaries, reference: Summaries) -> None:
    np.testing.assert_array_equal(ours.hypothesis_ids, reference.hypothesis_ids)
    np.testing.assert_array_equal(ours.summary_ids, reference.summary_ids)
    scores = ours.score_per_hypothesis, reference.score_per_hypothesis
    np.testing.assert_allclose(*scores, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(ours.sentence_logits, reference.sentence_logits, atol=1e-5)
    for one, other in zip(ours.numbers, reference.numbers, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_common", [40, 300, 4096])
def test_the_graph_finds_what_the_reference_finds(
    monkeypatch: pytest.MonkeyPatch,
    wordy_network: Summarizer,
    tokenizer: Tokenizer,
    sources: NDArray[np.int32],
    num_common: int,
) -> None:
    # With 300 common tokens a step looks at the likeliest first.
    monkeypatch.setattr("model.graph.search.LEAST_NARROWED", 300)
    inference = Inference(wordy_network, tokenizer, tokenizer.styles, num_common=num_common)
    like = asked(sources, 1, strict=True, longest=4, seed=0)
    ours, reference = traced(Summarizing(inference), like), traced(inference.summarize, like)
    for seed in range(8):
        for num_beams, strict in ((1, True), (4, True), (5, False)):
            inputs = asked(sources, num_beams, strict=strict, longest=24, seed=seed)
            same(ours(**inputs), reference(**inputs))


def test_a_text_without_a_word_is_summarized_as_by_the_reference(
    wordy_network: Summarizer, tokenizer: Tokenizer, sources: NDArray[np.int32]
) -> None:
    inference = Inference(wordy_network, tokenizer, tokenizer.styles)
    hidden = asked(sources, 3, strict=True, longest=12, seed=0)
    hidden["source_keep_mask"] = hidden["source_keep_mask"] & (np.arange(3) != 1)[:, None]
    tensors = tf.nest.map_structure(tf.constant, hidden)
    same(Summarizing(inference)(**tensors), inference.summarize(**tensors))


def test_steps_and_sentences_are_computed_in_few_numbers(
    monkeypatch: pytest.MonkeyPatch,
    wordy_network: Summarizer,
    tokenizer: Tokenizer,
    sources: NDArray[np.int32],
) -> None:
    scored, compared = [], []
    score, score_sentences = Decoder.score, wordy_network.score_sentences

    def score_noted(self: Decoder, hidden: Any, ids: Any) -> Any:
        scored.append((hidden.shape[1], ids.shape[1]))
        return score(self, hidden, ids)

    def sentences_noted(source: Any, ids: Any, count: Any) -> Any:
        compared.append(int(count))
        return score_sentences(source, ids, count)

    monkeypatch.setattr(Decoder, "score", score_noted)
    monkeypatch.setattr(wordy_network, "score_sentences", sentences_noted)
    summarizing = Summarizing(Inference(wordy_network, tokenizer, tokenizer.styles))
    inputs = asked(sources, 2, strict=True, longest=5, seed=0)
    for count in (0, 1, SENTENCES + 1):
        inputs["sentence_ids"] = np.minimum(np.arange(sources.size), count).reshape(sources.shape)
        inputs["sentence_ids"] = inputs["sentence_ids"].astype(np.int32)
        found = summarizing(**tf.nest.map_structure(tf.constant, inputs))
        assert found.sentence_logits.shape[1] == count
    assert scored == [(STEPS, STEPS)] * 3
    assert compared == [0, SENTENCES, 2 * SENTENCES]
