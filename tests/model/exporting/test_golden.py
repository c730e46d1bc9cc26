from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model.artifact import SCORE_OUTPUTS, GoldenExample
from model.exporting.golden import GoldenError, golden_examples
from model.inference import Inference, vocabulary_log_probs
from model.summarizer import Summarizer
from model.tokenizer import Tokenizer

MAX_SOURCE_TOKENS = 24
NUM_TEXTS = 2
"""Of the golden texts, those in the style `title`."""


@pytest.fixture(scope="module")
def inference(wordy_network: Summarizer, tokenizer: Tokenizer) -> Inference:
    return Inference(wordy_network, tokenizer, ["title"])


def all_log_probs(
    inference: Inference, source_ids: list[int], style: str, summary_ids: list[int]
) -> NDArray[np.float32]:
    source_array = np.array([source_ids], np.int32)
    source = inference.model.encode(source_array, source_array > 0)
    style_ids = np.array([inference.styles.index(style)], np.int32)
    start = int(inference.start_ids(style_ids)[0])
    prediction = inference.model.predict_all(source, np.array([[start, *summary_ids[:-1]]]))
    vocab_size = inference.model.config.vocab_size
    return np.asarray(vocabulary_log_probs(source, prediction, vocab_size))[0]


@pytest.fixture(scope="module")
def greedy(inference: Inference) -> Any:
    """The likeliest token twice, padded as a search leaves it; every text is searched once."""

    @cache
    def likeliest(source_ids: tuple[int, ...], style: str) -> list[int]:
        ids = [0, 0]
        for t in range(2):
            ids[t] = int(all_log_probs(inference, list(source_ids), style, ids)[t].argmax())
        return [*ids, 0, 0]

    def search(source_ids: NDArray[np.int32], style_ids: NDArray[np.int32]) -> Any:
        style = inference.styles[int(style_ids[0])]
        return np.array([likeliest(tuple(source_ids[0].tolist()), style)], np.int32)

    return search


@pytest.fixture(scope="module")
def examples(inference: Inference, tokenizer: Tokenizer, greedy: Any) -> list[GoldenExample]:
    return golden_examples(inference, tokenizer, greedy, MAX_SOURCE_TOKENS, lead=0.0)


def test_examples_hold_the_eager_numbers(
    inference: Inference, examples: list[GoldenExample]
) -> None:
    for example in examples:
        source_ids = np.array([example.source_ids], np.int32)
        style_ids = np.array([inference.styles.index(example.style)], np.int32)
        summary_ids = np.array([example.summary_ids], np.int32)
        numbers = inference.score(source_ids, source_ids > 0, style_ids, summary_ids)
        for name in SCORE_OUTPUTS:
            expected = np.asarray(getattr(numbers, name))[0]
            np.testing.assert_allclose(getattr(example, name), expected, atol=1e-6)


def test_texts_in_unknown_styles_are_left_out(examples: list[GoldenExample]) -> None:
    assert len(examples) == NUM_TEXTS
    assert {example.style for example in examples} == {"title"}


def test_sources_are_the_first_tokens_of_the_texts(
    tokenizer: Tokenizer, examples: list[GoldenExample]
) -> None:
    for example in examples:
        assert example.source_ids == tokenizer.encode(example.text, MAX_SOURCE_TOKENS).ids
        assert MAX_SOURCE_TOKENS - 4 <= len(example.source_ids) <= MAX_SOURCE_TOKENS


def test_the_best_token_leads_at_every_step(
    inference: Inference, tokenizer: Tokenizer, greedy: Any
) -> None:
    lead = 0.02
    for example in golden_examples(inference, tokenizer, greedy, MAX_SOURCE_TOKENS, lead):
        rows = all_log_probs(inference, example.source_ids, example.style, example.summary_ids)
        for token_id, row in zip(example.summary_ids, rows, strict=True):
            assert int(row.argmax()) == token_id
            assert row[token_id] - np.delete(row, token_id).max() >= lead


def test_examples_end_before_the_first_token_that_is_not_the_best(
    inference: Inference, tokenizer: Tokenizer, greedy: Any
) -> None:
    def wrong_after_one(source_ids: NDArray[np.int32], style_ids: NDArray[np.int32]) -> Any:
        summary_ids = np.array(greedy(source_ids, style_ids))
        summary_ids[0, 1] = 599  # the vocabulary's rarest
        return summary_ids

    examples = golden_examples(inference, tokenizer, wrong_after_one, MAX_SOURCE_TOKENS, lead=0.0)
    assert [len(example.summary_ids) for example in examples] == [1] * len(examples)


def test_texts_without_a_clear_first_token_are_left_out(
    inference: Inference, tokenizer: Tokenizer, greedy: Any
) -> None:
    seen = []

    def wrong_but_once(source_ids: NDArray[np.int32], style_ids: NDArray[np.int32]) -> Any:
        summary_ids = np.array(greedy(source_ids, style_ids))
        seen.append(summary_ids)
        if len(seen) != 1:
            summary_ids[0, 0] = 599
        return summary_ids

    examples = golden_examples(inference, tokenizer, wrong_but_once, MAX_SOURCE_TOKENS, lead=0.0)
    assert (len(examples), len(seen)) == (1, NUM_TEXTS)


def test_without_a_clear_text_there_is_nothing_to_check_a_load_with(
    inference: Inference, tokenizer: Tokenizer, greedy: Any
) -> None:
    with pytest.raises(GoldenError, match=r"none of 2 golden texts .* leads by 1000\.0"):
        golden_examples(inference, tokenizer, greedy, MAX_SOURCE_TOKENS, lead=1000.0)


def test_a_network_with_styles_of_its_own_is_checked_in_its_first_style(
    wordy_network: Summarizer, corpus: list[dict[str, str]]
) -> None:
    texts = [row["text"] for row in corpus]
    tokenizer = Tokenizer.train(texts, texts[:10], ["memo", "minutes"], 600)
    inference = Inference(wordy_network, tokenizer, tokenizer.styles)
    asked = []

    def greedy(source_ids: NDArray[np.int32], style_ids: NDArray[np.int32]) -> Any:
        asked.append(int(style_ids[0]))
        style = inference.styles[asked[-1]]
        return all_log_probs(inference, source_ids[0].tolist(), style, [0])[None].argmax(axis=-1)

    examples = golden_examples(inference, tokenizer, greedy, MAX_SOURCE_TOKENS, lead=0.0)
    assert {example.style for example in examples} == {"memo"}
    assert asked == [0] * 8
