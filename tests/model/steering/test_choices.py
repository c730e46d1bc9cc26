"""A search chooses among common tokens and those of the source: each once."""

from __future__ import annotations

import numpy as np

from model.steering.choices import NO_CHOICE, Offer, add_at, all_tokens, choices_for

SOURCE = np.array([[7, 2, 9, 7, 1], [8, 8, 6, 1, 0]], np.int32)
VOCAB, COMMON = 10, 4


def test_common_tokens_come_first_and_then_the_source() -> None:
    choices = choices_for(SOURCE, VOCAB, COMMON)
    assert np.asarray(choices.ids).tolist() == [
        [0, 1, 2, 3, 7, 2, 9, 7, 1],
        [0, 1, 2, 3, 8, 8, 6, 1, 0],
    ]
    assert choices.num_common == COMMON
    assert int(choices.count) == COMMON + 5


def test_every_token_is_one_choice() -> None:
    choices = choices_for(SOURCE, VOCAB, COMMON)
    open_ = np.asarray(choices.closed)[:, 0] > NO_CHOICE / 2
    for row, source_ids in enumerate(SOURCE):
        open_ids = np.asarray(choices.ids)[row][open_[row]].tolist()
        assert sorted(open_ids) == sorted({*range(COMMON), *source_ids.tolist()})


def test_a_source_position_belongs_to_the_open_choice_of_its_token() -> None:
    choices = choices_for(SOURCE, VOCAB, COMMON)
    ids, slots = np.asarray(choices.ids), np.asarray(choices.slots)
    np.testing.assert_array_equal(np.take_along_axis(ids, slots, axis=1), SOURCE)
    closed = np.take_along_axis(np.asarray(choices.closed)[:, 0], slots, axis=1)
    assert not closed.any()


def test_spreading_sums_all_places_of_a_token() -> None:
    choices = choices_for(SOURCE, VOCAB, COMMON)
    values = np.array([[[0.1, 0.2, 0.3, 0.4, 0.0]], [[0.5, 0.25, 0.1, 0.1, 0.0]]], np.float32)
    spread = np.asarray(choices.spread(values))
    np.testing.assert_allclose(spread[0, 0], [0, 0, 0.2, 0, 0.5, 0, 0.3, 0, 0], atol=1e-6)
    np.testing.assert_allclose(spread[1, 0], [0, 0.1, 0, 0, 0.75, 0, 0.1, 0, 0], atol=1e-6)


def test_choices_are_turned_into_tokens_text_by_text() -> None:
    choices = choices_for(SOURCE, VOCAB, COMMON)
    chosen = np.array([[4, 1], [6, 4]], np.int32)
    assert np.asarray(choices.tokens(chosen)).tolist() == [[7, 1], [6, 8]]


def test_a_table_of_the_vocabulary_is_read_for_every_choice() -> None:
    squares = np.arange(VOCAB, dtype=np.int32) ** 2
    everything = Offer(choices_for(SOURCE, VOCAB, COMMON).ids[:, None])
    row = np.asarray(everything.of(squares))[1, 0]
    assert row.tolist() == [0, 1, 4, 9, 64, 64, 36, 1, 0]


def test_of_all_choices_some_may_be_offered() -> None:
    index = np.array([[[5, 0]], [[4, 1]]], np.int32)
    choices = choices_for(SOURCE, VOCAB, COMMON)
    offer = Offer(choices.tokens(index), index)
    values = np.arange(2 * int(choices.count)).reshape(2, -1)
    assert np.asarray(offer.ids).tolist() == [
        [[SOURCE[0, 5 - COMMON], 0]],
        [[SOURCE[1, 4 - COMMON], 1]],
    ]
    assert np.asarray(offer.pick(values)).tolist() == [[[5, 0]], [[13, 10]]]
    assert np.asarray(offer.pick(values[:, None] + np.zeros((2, 3, 1)))).shape == (2, 3, 2)


def test_the_least_of_a_token_is_found_wherever_it_stands() -> None:
    choices = choices_for(SOURCE, VOCAB, COMMON)
    values = np.array([[7, 6, 5, 4, 3], [9, 8, 7, 6, 5]], np.int32)
    slots = np.asarray(choices.slots)
    least = np.take_along_axis(np.asarray(choices.least(values, 99)), slots, axis=1)
    expected = [
        [min(v for v, j in zip(row, ids, strict=True) if i == j) for i in ids]
        for row, ids in zip(values.tolist(), SOURCE.tolist(), strict=True)
    ]
    assert least.tolist() == expected
    assert np.asarray(choices.least(values, 99)).max() == 99


def test_where_all_tokens_are_common_the_source_adds_none() -> None:
    choices = choices_for(SOURCE, VOCAB, VOCAB)
    assert int(choices.count) == VOCAB
    assert not np.asarray(choices.closed).any()
    spread = np.asarray(choices.spread(np.ones((2, 1, 5), np.float32)))
    assert spread[0, 0].tolist() == [0, 1, 1, 0, 0, 0, 0, 2, 0, 1]


def test_without_a_source_choices_are_tokens() -> None:
    chosen = np.array([[3, 5]], np.int32)
    np.testing.assert_array_equal(all_tokens(VOCAB).tokens(chosen), chosen)


def test_adding_sums_what_belongs_to_one_place() -> None:
    places = np.array([[[1, 3, 1], [0, 0, 2]]], np.int32)
    values = np.array([[[0.1, 0.2, 0.3], [1.0, 2.0, 4.0]]], np.float32)
    np.testing.assert_allclose(
        add_at(places, values, 4), [[[0, 0.4, 0, 0.2], [3, 0, 4, 0]]], atol=1e-6
    )
