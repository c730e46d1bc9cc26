"""Numbers that are written differently and are the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.words.number_words import digits_form, joins, scaled, spelt_form


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("1,000", "1000"),
        ("007", "7"),
        ("0", "0"),
        ("2.50", "2.5"),
        ("2.00", "2"),
        ("1st", "1th"),
        ("22ND", "22th"),
        ("1990s", "1990"),
        ("5G", "5g"),
        ("2.5M", "2500000"),
        ("7k", "7000"),
        ("1.2345bn", "1234500000"),
        ("2Te3", "2te3"),
    ],
)
def test_digits_have_one_form(written: str, form: str) -> None:
    assert digits_form(written) == form


@pytest.mark.parametrize(
    ("words", "form"),
    [("two", "2"), ("twenty two", "22"), ("first", "1th"), ("thirty third", "33th")],
)
def test_words_have_the_form_of_their_digits(words: str, form: str) -> None:
    assert spelt_form(words.split()) == form


@pytest.mark.parametrize(
    ("pair", "together"),
    [
        ("twenty two", True),
        ("ninety ninth", True),
        ("twenty ten", False),
        ("two two", False),
        ("twenty zero", False),
        ("tram two", False),
    ],
)
def test_only_tens_and_units_join(pair: str, together: bool) -> None:
    assert joins(*pair.split()) is together


@pytest.mark.parametrize(
    ("number", "scale", "form"),
    [("26", "million", "26000000"), ("0.5", "hundred", "50"), ("1.23456", "thousand", "1234.56")],
)
def test_scales_move_the_point(number: str, scale: str, form: str) -> None:
    assert scaled(number, scale) == form


@given(st.integers(0, 10**30))
def test_commas_and_zeros_change_nothing(value: int) -> None:
    assert digits_form(f"{value:,}") == digits_form(f"{value}.00") == str(value)


def test_more_digits_than_an_int_may_have_are_no_error() -> None:
    assert digits_form("9" * 10_000) == "9" * 10_000
