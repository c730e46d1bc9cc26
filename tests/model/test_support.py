"""No name and no number in a summary that its source does not have."""

from __future__ import annotations

import numpy as np
from keras import ops

from model.decoding import REFUSED, Moment, SearchOptions
from model.support import UNCAPITALISED, SupportedNames, name_tables

PIECES = [b"", b"", b"", b" the", b" city", b" City", b" Har", b"row", b"by", b" Wil", b"son",
          b" 48", b"7", b".", b" votes", b"\xc3"]  # fmt: skip
PAD, EOS, THE, CITY, CITY_CAPITAL, HAR, ROW, BY, WIL, SON, N48, N7, DOT, VOTES, HALF = (
    0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
)  # fmt: skip
SOURCE = [THE, CITY, HAR, ROW, BY, DOT, N48, EOS, PAD]


def judged(written: list[int], source: list[int] = SOURCE, *, strict: bool = True) -> np.ndarray:
    """What the rule adds to every token after `written`."""
    source_ids = np.array([source], np.int32)
    rule = SupportedNames(name_tables(PIECES), source_ids, source_ids > 0)
    ids = np.zeros((1, 1, 6), np.int32)
    state = np.zeros((1, 1), np.int32)
    for i, token_id in enumerate(written):
        ids[0, 0, i] = token_id
        state = rule.advance(state, np.array([[token_id]], np.int32))
    one = np.ones(1, np.int32)
    options = SearchOptions(6 * one, one, np.ones(1), 1, np.array([strict]))
    moment = Moment(np.int32(len(written)), ids, options)
    return np.asarray(ops.convert_to_numpy(rule.judge(np.zeros((1, 1, 16)), state, moment)))[0, 0]


def refused(written: list[int], token_id: int, source: list[int] = SOURCE) -> bool:
    return bool(judged(written, source)[token_id] <= REFUSED)


def test_a_name_of_the_source_may_come() -> None:
    assert not refused([THE], HAR)


def test_a_name_from_elsewhere_may_not() -> None:
    assert refused([THE], WIL)
    assert refused([], WIL)


def test_loose_support_refuses_nothing_and_still_wants_a_capital() -> None:
    assert judged([THE], strict=False).min() == 0.0
    assert judged([], strict=False).min() == UNCAPITALISED


def test_a_number_counts_as_a_name() -> None:
    assert not refused([THE], N48)
    assert refused([THE], N48, source=[THE, EOS])
    assert refused([N48], N7)


def test_a_name_goes_on_as_in_the_source() -> None:
    assert not refused([THE, HAR], ROW)
    assert refused([THE, HAR], SON)
    assert refused([THE, HAR], BY)


def test_a_name_ends_only_where_the_source_ends_it() -> None:
    assert refused([THE, HAR], THE)
    assert refused([THE, HAR], EOS)
    assert not refused([HAR, ROW, BY], THE)
    assert not refused([HAR, ROW, BY], EOS)


def test_the_first_word_may_be_a_capitalised_word_of_the_source() -> None:
    assert not refused([], CITY_CAPITAL)
    assert refused([THE], CITY_CAPITAL)
    assert not refused([CITY_CAPITAL], VOTES)


def test_ordinary_words_are_free() -> None:
    assert not refused([THE], VOTES)
    assert not refused([VOTES], ROW)


def test_the_first_word_prefers_a_capital() -> None:
    assert judged([])[CITY] == UNCAPITALISED
    assert judged([THE])[CITY] == 0


def test_hidden_positions_support_nothing() -> None:
    source_ids = np.array([SOURCE], np.int32)
    mask = source_ids > 0
    mask[0, 2] = False
    rule = SupportedNames(name_tables(PIECES), source_ids, mask)
    one = np.ones(1, np.int32)
    ids = np.array([[[THE, 0, 0, 0, 0, 0]]], np.int32)
    moment = Moment(np.int32(1), ids, SearchOptions(6 * one, one, np.ones(1), 1))
    added = ops.convert_to_numpy(rule.judge(np.zeros((1, 1, 16)), np.zeros((1, 1), int), moment))
    assert added[0, 0, HAR] <= REFUSED


def test_tables_know_capitals_continuations_and_spellings() -> None:
    tables = name_tables(PIECES)
    assert tables.named[[HAR, N48, N7]].all()
    assert not tables.named[[THE, ROW, EOS]].any()
    assert tables.inside[[ROW, N7, HALF]].all()
    assert not tables.inside[[THE, DOT, EOS]].any()
    assert tables.lower[CITY_CAPITAL] == CITY
    assert tables.lower[HALF] == HALF
