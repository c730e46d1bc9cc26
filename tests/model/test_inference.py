from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from keras import ops
from numpy.typing import NDArray

from model.data import padded
from model.inference import Inference, Summaries, choice_log_probs, vocabulary_log_probs
from model.steering.choices import Offer
from model.steering.filters import Moment, SearchOptions
from model.summarizer import Summarizer
from model.tokenizer import EOS_ID, PAD_ID, Tokenizer

TEXTS = ["The council voted on a new harbour line on Tuesday.", "Rain fell. 🧀 prices rose."]


@pytest.fixture(scope="module")
def inference(wordy_network: Summarizer, tokenizer: Tokenizer) -> Inference:
    return Inference(wordy_network, tokenizer, tokenizer.styles)


@pytest.fixture(scope="module")
def sources(tokenizer: Tokenizer) -> NDArray[np.int32]:
    rows = [tokenizer.encode(text).ids for text in TEXTS]
    return padded(rows, max(len(row) for row in rows) + 2)


def summarize(
    inference: Inference,
    source_ids: NDArray[np.int32],
    styles: Sequence[int] = (0, 1),
    num_beams: int = 2,
    longest: Sequence[int] = (6, 6),
    least: Sequence[int] = (1, 1),
) -> Summaries:
    batch = len(source_ids)
    options = SearchOptions(
        np.array(longest[:batch], np.int32),
        np.array(least[:batch], np.int32),
        np.ones(batch, np.float32),
        num_beams,
    )
    style_ids = np.array(styles[:batch], np.int32)
    # Sentences of four tokens, where there are as many.
    numbers = np.where(source_ids > EOS_ID, np.arange(source_ids.shape[1]) // 4 + 1, 0)
    return inference.summarize(
        source_ids, source_ids > 0, style_ids, options, numbers.astype(np.int32)
    )


@pytest.fixture(scope="module")
def found(inference: Inference, sources: NDArray[np.int32]) -> Summaries:
    return summarize(inference, sources)


def real(summaries: Summaries) -> NDArray[np.bool_]:
    return np.asarray(summaries.summary_ids) != PAD_ID


def step_by_step(
    inference: Inference, source_ids: NDArray[np.int32], style: int, steps: int
) -> list[int]:
    """The likeliest token that the filters allow, again and again."""
    model, ids = inference.model, np.zeros((1, 1, steps), np.int32)
    source = model.encode(source_ids, source_ids > 0)
    state: Any = tuple(part[:, None] for part in source.initial_state)
    last = inference.start_ids(np.array([style], np.int32))[:, None]
    limits = SearchOptions(np.array([steps]), np.array([1]), np.ones(1), 1)
    choices = inference.choices_for(source)
    filters = inference.filters_for(source, choices)
    columns = model.output_tiles(choices.num_common)
    filter_states = [one.start(np.zeros((1, 1), np.int32)) for one in filters]
    for t in range(steps):
        prediction, state = model.predict_next(source, last, state, columns)
        judged = choice_log_probs(choices, prediction)
        moment = Moment(np.int32(t), ids, limits, Offer(choices.ids[:, None]))
        for one, filter_state in zip(filters, filter_states, strict=True):
            judged = one.judge(judged, filter_state, moment)
        chosen = np.argmax(judged, axis=-1).astype(np.int32)
        last = np.asarray(choices.tokens(chosen))
        filter_states = [
            one.advance(filter_state, last)
            for one, filter_state in zip(filters, filter_states, strict=True)
        ]
        ids[0, 0, t] = last[0, 0]
        if last[0, 0] == EOS_ID:
            break
    return [int(token_id) for token_id in ids[0, 0]]


@pytest.mark.parametrize("row", [0, 1])
def test_one_beam_is_greedy(inference: Inference, sources: NDArray[np.int32], row: int) -> None:
    source_ids = sources[row : row + 1]
    one_beam = summarize(inference, source_ids, [row], num_beams=1)
    expected = step_by_step(inference, source_ids, row, 6)
    assert np.asarray(one_beam.summary_ids)[0].tolist() == expected


def test_what_is_neither_common_nor_in_the_source_is_not_written(
    wordy_network: Summarizer, tokenizer: Tokenizer, sources: NDArray[np.int32]
) -> None:
    common = 40
    narrow = Inference(wordy_network, tokenizer, tokenizer.styles, num_common=common)
    one_beam = np.asarray(summarize(narrow, sources, num_beams=1).summary_ids)
    for row, source_ids in enumerate(sources):
        expected = step_by_step(narrow, source_ids[None], row, len(one_beam[row]))
        assert one_beam[row].tolist() == expected
        assert {i for i in expected if i >= common} <= set(source_ids.tolist())
    assert (one_beam >= common).any()
    assert (one_beam[one_beam != EOS_ID] < common).any()


def test_summarize_and_score_agree(
    inference: Inference, sources: NDArray[np.int32], found: Summaries
) -> None:
    numbers = inference.score(
        sources, sources > 0, np.array([0, 1], np.int32), np.asarray(found.summary_ids)
    )
    for ours, theirs in zip(found.numbers, numbers, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_the_score_is_the_log_prob_over_the_length_penalty(found: Summaries) -> None:
    lengths = real(found).sum(axis=1)
    totals = np.asarray(found.numbers.log_probs).sum(axis=1)
    best = np.asarray(found.score_per_hypothesis)[:, 0]
    np.testing.assert_allclose(best, totals * 6 / (5 + lengths), rtol=1e-3)


def test_limits_count_the_end_token(inference: Inference, sources: NDArray[np.int32]) -> None:
    summaries = summarize(inference, sources, longest=(3, 7), least=(3, 5))
    lengths = real(summaries).sum(axis=1)
    assert lengths[0] == 3
    assert 5 <= lengths[1] <= 7


def test_numbers_are_zero_where_the_summary_is_padding(
    inference: Inference, sources: NDArray[np.int32]
) -> None:
    summaries = summarize(inference, sources, longest=(2, 6), least=(1, 6))
    padding = ~real(summaries)
    assert padding[0, 2:].all()
    for part in summaries.numbers:
        assert not np.asarray(part)[padding].any()


def test_attention_rows_sum_to_one_where_the_summary_is_real(found: Summaries) -> None:
    sums = np.asarray(found.numbers.attention_weights).sum(axis=-1)
    np.testing.assert_allclose(sums, real(found).astype(float), atol=1e-5)


def test_summaries_hold_no_token_without_text(
    inference: Inference, found: Summaries, tokenizer: Tokenizer
) -> None:
    for row in np.asarray(found.summary_ids):
        assert all(tokenizer.token_bytes(i) for i in row if i not in (PAD_ID, EOS_ID))


def test_style_ids_are_places_in_the_list_of_styles(
    wordy_network: Summarizer, tokenizer: Tokenizer
) -> None:
    turned = Inference(wordy_network, tokenizer, ["title", "headline"])
    start_ids = np.asarray(turned.start_ids(np.array([0, 1, 0], np.int32)))
    title, headline = tokenizer.start_id("title"), tokenizer.start_id("headline")
    assert start_ids.tolist() == [title, headline, title]


def test_the_style_changes_what_is_said(
    inference: Inference, sources: NDArray[np.int32], found: Summaries
) -> None:
    ids = np.asarray(found.summary_ids)
    numbers = [
        np.asarray(inference.score(sources, sources > 0, np.full(2, style), ids).log_probs)
        for style in (0, 1)
    ]
    assert np.abs(numbers[0] - numbers[1]).max() > 1e-3


def test_an_unknown_style_is_an_error(wordy_network: Summarizer, tokenizer: Tokenizer) -> None:
    with pytest.raises(KeyError, match="poem"):
        Inference(wordy_network, tokenizer, ["poem"])


def test_the_vocabularys_probabilities_sum_to_one_and_hold_those_of_score(
    inference: Inference, sources: NDArray[np.int32], found: Summaries
) -> None:
    model, ids = inference.model, np.asarray(found.summary_ids)
    source = model.encode(sources, sources > 0)
    starts = np.asarray(inference.start_ids(np.array([0, 1], np.int32)))
    previous = np.concatenate([starts[:, None], ids[:, :-1]], axis=1)
    prediction = model.predict_all(source, previous)
    log_probs = np.asarray(vocabulary_log_probs(source, prediction, model.config.vocab_size))
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=-1), 1.0, atol=1e-4)
    chosen = np.take_along_axis(log_probs, ids[:, :, None], axis=-1)[..., 0]
    mask = real(found)
    np.testing.assert_allclose(chosen[mask], np.asarray(found.numbers.log_probs)[mask], atol=1e-4)


def test_the_search_runs_on_tensors_of_the_backend(
    inference: Inference, sources: NDArray[np.int32], found: Summaries
) -> None:
    again = summarize(inference, ops.convert_to_tensor(sources))
    np.testing.assert_array_equal(again.summary_ids, found.summary_ids)


def test_hypotheses_come_best_first_and_differ(
    inference: Inference, sources: NDArray[np.int32]
) -> None:
    found = summarize(inference, sources, num_beams=4)
    scores, ids = np.asarray(found.score_per_hypothesis), np.asarray(found.hypothesis_ids)
    assert ids.shape[:2] == scores.shape == (2, 4)
    assert (np.diff(scores, axis=1) <= 0).all()
    np.testing.assert_array_equal(ids[:, 0], found.summary_ids)
    assert all(len({tuple(row) for row in beam.tolist()}) == 4 for beam in ids)


def test_sentences_are_scored_with_the_summary_as_alone(
    inference: Inference, sources: NDArray[np.int32], found: Summaries
) -> None:
    numbers = np.where(sources > EOS_ID, np.arange(sources.shape[1]) // 4 + 1, 0).astype(np.int32)
    alone = np.asarray(inference.score_sentences(sources, sources > 0, numbers))
    assert alone.shape == (2, numbers.max())
    np.testing.assert_allclose(found.sentence_logits, alone, atol=1e-5)
