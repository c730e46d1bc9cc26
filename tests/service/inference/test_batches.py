"""Texts as padded arrays and arrays as summaries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.tokenizer import DecodedSummary, EncodedText, Tokenizer
from service.inference.batches import (
    MOST_PADDING,
    SUMMARY_BUCKET,
    option_arrays,
    padded_length,
    plan,
    sentence_array,
    source_arrays,
    summary_array,
    summary_of,
    token_arrays,
    usual_rows,
)
from service.inference.reading import Reading
from service.inference.token_budget import row_width
from service.predictor import Candidate, SummarizeOptions

SOURCE = Reading(
    source=EncodedText(
        ids=[7, 8, 1], spans=[(0, 2), (3, 5)], total_tokens=9, used_end=5, truncated=True
    ),
    sentences=[],
    sentence_ids=[0, 0, 0],
    chunks=[],
    passages=[(0, 5)],
)

OPTIONS = SummarizeOptions(
    style="tldr", num_beams=4, max_new_tokens=9, min_new_tokens=2, length_penalty=0.5,
    truncation="lead", support="loose", key_sentences=0, candidates=1,
)  # fmt: skip


class Letters:
    """A tokenizer of which every token is one letter."""

    eos_id = 1

    def decode(self, ids: list[int]) -> DecodedSummary:
        return DecodedSummary("x" * len(ids), [(i, i + 1) for i in range(len(ids))])


LETTERS = cast(Tokenizer, Letters())


def outputs(summary_ids: list[int], **changes: Any) -> dict[str, Any]:
    """A call of two rows; the second is the one of interest, padded in both directions."""
    steps = len(summary_ids)
    columns = {
        name: np.tile(np.arange(steps, dtype=np.float32) / 10, (2, 1))
        for name in ("log_probs", "copy_gate", "copied_prob", "generated_prob")
    }
    attention = np.random.default_rng(0).random((2, steps, 64)).astype(np.float32)
    ids = np.array([[9] * steps, summary_ids], np.int32)
    return {"summary_ids": ids, "attention_weights": attention, **columns, **changes}


@pytest.mark.parametrize(
    ("tokens", "limit", "expected"), [(1, 512, 64), (64, 512, 64), (65, 512, 128), (450, 500, 500)]
)
def test_sources_are_padded_to_buckets_within_the_models_length(
    tokens: int, limit: int, expected: int
) -> None:
    assert padded_length(tokens, limit) == expected


@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=40),
    st.integers(1, 8),
    st.integers(1, 9000),
)
def test_every_text_is_in_one_group_within_the_budget(
    lengths: list[int], num_beams: int, budget: int
) -> None:
    groups = plan(lengths, num_beams, budget)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        width = row_width(num_beams)
        size = len(group) * max(lengths[index] for index in group) * width
        assert size <= budget or len(group) == 1
        padding = sum(max(lengths[i] for i in group) - lengths[index] for index in group)
        assert padding <= MOST_PADDING
        assert usual_rows(len(group)) == len(group)


def test_calls_have_few_numbers_of_rows() -> None:
    usual = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48]
    assert sorted({usual_rows(most) for most in range(1, 64)}) == usual
    for most in range(1, 64):
        assert usual_rows(most) == max(size for size in usual if size <= most)
    assert [len(group) for group in plan([64] * 31, 1, 100_000)] == [24, 6, 1]


def test_who_is_left_over_shares_the_next_call() -> None:
    assert plan([128] * 5 + [192] * 3, 1, 100_000) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert [len(group) for group in plan([768] * 32, 4, 16_384)] == [4] * 8


def test_a_summary_is_padded_to_few_lengths_and_repeated() -> None:
    assert summary_array(np.arange(1, 4), 2).tolist() == [[1, 2, 3, 0, 0, 0, 0, 0]] * 2
    assert [summary_array(np.ones(size), 1).shape[1] for size in (0, 8, 9)] == [
        0,
        SUMMARY_BUCKET,
        2 * SUMMARY_BUCKET,
    ]
    assert summary_array(np.arange(3), 1).dtype == np.int32


def test_a_text_that_would_make_its_group_much_wider_is_called_apart() -> None:
    assert plan([960, 128, 1024, 64, 960], 1, 100_000) == [[3, 1], [0, 4], [2]]


def test_sources_are_padded_with_zeros_that_are_not_kept() -> None:
    arrays = source_arrays([[5, 1], [6, 7, 1]], 1, 4)
    assert arrays["source_ids"].tolist() == [[5, 1, 0, 0], [6, 7, 1, 0]]
    keep = [[True, True, False, False], [True, True, True, False]]
    assert arrays["source_keep_mask"].tolist() == keep
    assert arrays["style_ids"].tolist() == [1, 1]
    assert token_arrays([[5, 1], [6, 7, 1]], 4).keys() == {"source_ids", "source_keep_mask"}
    assert arrays["source_ids"].dtype == arrays["style_ids"].dtype == np.int32


def test_sentences_of_tokens_are_padded_with_none() -> None:
    array = sentence_array([[1, 1, 2, 0], [0]], 5)
    assert array.tolist() == [[1, 1, 2, 0, 0], [0] * 5]
    assert array.dtype == np.int32


def test_options_are_one_value_a_text_and_one_width_for_all() -> None:
    arrays = option_arrays(OPTIONS, 2)
    assert {name: array.tolist() for name, array in arrays.items()} == {
        "max_new_tokens": [9, 9],
        "min_new_tokens": [2, 2],
        "length_penalty": [0.5, 0.5],
        "num_beams": 4,
        "num_candidates": 1,
        "strict_support": [False, False],
    }
    strict = option_arrays(replace(OPTIONS, support="strict"), 2)["strict_support"]
    assert strict.tolist() == [True, True]


def test_a_row_is_cut_to_its_real_size() -> None:
    call = outputs([5, 6, 1, 0, 0])
    summary = summary_of(call, 1, SOURCE, LETTERS, OPTIONS)
    assert summary.finish_reason == "stop"
    assert summary.text == "xx"
    assert summary.style == "tldr"
    assert summary.summary_spans == [(0, 1), (1, 2), None]
    assert summary.source_spans == [(0, 2), (3, 5), None]
    assert summary.attention.tolist() == call["attention_weights"][1, :3, :3].tolist()
    assert summary.attention.base is None
    assert len(summary.log_probs) == len(summary.copy_gate) == len(summary.copied_share) == 3
    assert summary.log_prob == pytest.approx(0.3)
    assert (summary.total_source_tokens, summary.used_source_tokens) == (9, 3)
    assert (summary.used_end, summary.truncated) == (5, True)
    assert summary.passages == [(0, 5)]
    assert summary.candidates == []


def test_candidates_are_all_hypotheses_of_the_row_where_more_than_one_is_asked_for() -> None:
    hypotheses = np.array([[[9] * 3] * 3, [[5, 1, 0], [5, 6, 7], [1, 0, 0]]], np.int32)
    scores = np.array([[0, 0, 0], [-0.5, -1.0, -1.5]], np.float32)
    call = outputs([5, 1, 0], hypothesis_ids=hypotheses, score_per_hypothesis=scores)
    summary = summary_of(call, 1, SOURCE, LETTERS, replace(OPTIONS, candidates=2))
    assert summary.candidates == [
        Candidate(text="x", score=-0.5),
        Candidate(text="xxx", score=-1.0),
        Candidate(text="", score=-1.5),
    ]


def test_a_summary_without_its_final_token_ended_by_length() -> None:
    summary = summary_of(outputs([5, 6, 7]), 1, SOURCE, LETTERS, OPTIONS)
    assert summary.finish_reason == "length"
    assert summary.text == "xxx"
    assert summary.summary_spans == [(0, 1), (1, 2), (2, 3)]


def test_copied_share_is_a_part_of_the_probability_and_hides_no_nan() -> None:
    copied = np.array([[0, 0, 0], [0.3, 0.0, np.nan]], np.float32)
    generated = np.array([[0, 0, 0], [0.1, 0.0, 0.5]], np.float32)
    call = outputs([5, 6, 1], copied_prob=copied, generated_prob=generated)
    share = summary_of(call, 1, SOURCE, LETTERS, OPTIONS).copied_share
    assert share[0] == pytest.approx(0.75)
    assert share[1] == 0
    assert np.isnan(share[2])
