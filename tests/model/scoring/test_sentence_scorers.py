from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from model.artifact import Manifest
from model.scoring.sentence_scorers import Arrays, CopyMassScorer, HeadScorer
from model.sentences import sentence_ids, split_sentences
from model.tokenizer import Tokenizer

TEXT = "The tram ran. It was late!\n\nNobody on board was hurt. The driver left."


def manifest(max_source_tokens: int) -> Manifest:
    fields: dict[str, Any] = dict.fromkeys(Manifest.__dataclass_fields__)
    return Manifest(
        **fields
        | {
            "styles": ("title", "headline"),
            "default_style": "headline",
            "max_source_tokens": max_source_tokens,
            "default_num_beams": 3,
            "default_length_penalty": 1.0,
            "length_penalties": {"headline": 1.5},
            "default_min_new_tokens": 2,
            "default_max_new_tokens": 9,
        }
    )


def last_ids(arrays: Arrays) -> Arrays:
    """A head whose logit is the id of a sentence's last token; N is the largest number."""
    ids, numbers = arrays["source_ids"][0], arrays["sentence_ids"][0]
    logits = [ids[numbers == number].max() for number in range(1, numbers.max() + 1)]
    return {"sentence_logits": np.array([logits], np.float32)}


def test_a_short_text_is_scored_in_one_call(tokenizer: Tokenizer) -> None:
    seen: list[Arrays] = []

    def signature(arrays: Arrays) -> Arrays:
        seen.append(arrays)
        return last_ids(arrays)

    sentences, encoded = split_sentences(TEXT), tokenizer.encode(TEXT)
    scores = HeadScorer(tokenizer, 200, signature)(TEXT, sentences)
    (arrays,) = seen
    np.testing.assert_array_equal(arrays["source_ids"], [encoded.ids])
    np.testing.assert_array_equal(arrays["source_keep_mask"], np.ones((1, len(encoded.ids)), bool))
    ids = [*sentence_ids(encoded.spans, sentences), 0]
    np.testing.assert_array_equal(arrays["sentence_ids"], [ids])
    assert {key: str(array.dtype) for key, array in arrays.items()} == {
        "source_ids": "int32",
        "source_keep_mask": "bool",
        "sentence_ids": "int32",
    }
    assert scores.shape == (4,)
    assert scores.dtype == np.float64


@pytest.mark.parametrize("limit", [12, 20, 30, 200])
def test_a_long_text_gets_its_scores_chunk_by_chunk_in_order(
    tokenizer: Tokenizer, limit: int
) -> None:
    sentences = split_sentences(TEXT)
    longest = max(len(tokenizer.encode(TEXT[start:end]).ids) for start, end in sentences)
    whole = HeadScorer(tokenizer, 200, last_ids)(TEXT, sentences)
    found = HeadScorer(tokenizer, max(limit, longest), last_ids)(TEXT, sentences)
    np.testing.assert_array_equal(found, whole)


def test_a_text_without_sentences_has_no_scores(tokenizer: Tokenizer) -> None:
    assert HeadScorer(tokenizer, 20, last_ids)(" ", []).shape == (0,)


@pytest.mark.parametrize("logits", [[3.0, -1e9, 1.0], [3.0, -1e9, 1.0, -1e9, 7.0]])
def test_a_sentence_that_was_not_seen_scores_no_better_than_the_others(
    tokenizer: Tokenizer, logits: list[float]
) -> None:
    signature = {"sentence_logits": np.array([logits], np.float32)}
    found = HeadScorer(tokenizer, 200, lambda arrays: signature)(TEXT, split_sentences(TEXT))
    np.testing.assert_array_equal(found, [3.0, 1.0, 1.0, 1.0])


def attends_to(position: int) -> Any:
    """A `summarize` of two steps that look at one token; the second copies half of it."""

    def signature(arrays: Arrays) -> Arrays:
        weights = np.zeros((1, 2, arrays["source_ids"].shape[1]), np.float32)
        weights[:, :, position] = 1.0
        return {"copy_gate": np.array([[1.0, 0.5]], np.float32), "attention_weights": weights}

    return signature


def test_copy_mass_is_what_the_summary_copied_of_each_sentence(tokenizer: Tokenizer) -> None:
    sentences = split_sentences(TEXT)
    ids = sentence_ids(tokenizer.encode(TEXT).spans, sentences)
    position = int(np.flatnonzero(ids == 3)[0])
    scores = CopyMassScorer(tokenizer, manifest(200), attends_to(position))(TEXT, sentences)
    np.testing.assert_allclose(scores, [0.0, 0.0, 1.5, 0.0])


def test_what_was_copied_of_the_end_token_is_of_no_sentence(tokenizer: Tokenizer) -> None:
    scores = CopyMassScorer(tokenizer, manifest(200), attends_to(-1))(TEXT, split_sentences(TEXT))
    np.testing.assert_array_equal(scores, np.zeros(4))


def test_summaries_are_asked_for_as_they_are_served(tokenizer: Tokenizer) -> None:
    seen: list[Arrays] = []

    def signature(arrays: Arrays) -> Arrays:
        seen.append(arrays)
        return attends_to(0)(arrays)

    scores = CopyMassScorer(tokenizer, manifest(5), signature)(TEXT, split_sentences(TEXT))
    (arrays,) = seen
    np.testing.assert_array_equal(arrays["source_ids"], [tokenizer.encode(TEXT, 5).ids])
    assert {key: array.tolist() for key, array in arrays.items() if array.size == 1} == {
        "style_ids": [1],
        "max_new_tokens": [9],
        "min_new_tokens": [2],
        "length_penalty": [1.5],
        "num_beams": 3,
        "num_candidates": 1,
        "strict_support": [True],
    }
    assert arrays["sentence_ids"].shape == arrays["source_ids"].shape
    assert scores.shape == (4,)  # those that were not read have none of it
