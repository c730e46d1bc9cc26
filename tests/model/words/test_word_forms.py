"""Words, their places and their forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.words.word_forms import WordKind, folded, read_words


def forms(text: str) -> list[str]:
    return [word.form for word in read_words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Harbour's tram", ["the", "harbour", "tram"]),
        ("Harbour’s", ["harbour"]),
        ("O'Zander", ["o'zander"]),
        ("O’Zander", ["o'zander"]),
        ("Zándèr", ["zander"]),
        ("Za\u0301nder", ["zander"]),
        ("tram-line", ["tram", "line"]),
        ("in U.S. and N.C", ["in", "u.s.", "and", "n.c."]),
        ("It ended. A new one", ["it", "ended", "a", "new", "1"]),
        ("twenty-two of forty", ["22", "of", "40"]),
        ("twenty - two", ["20", "2"]),
        ("$26 million", ["26000000"]),
        ("two hundred thousand", ["200", "thousand"]),
        ("5G million", ["5g", "million"]),
        ("H2O and COVID-19", ["h2o", "and", "covid", "19"]),
        ("1,000,000 and 1,5", ["1000000", "and", "1", "5"]),
        ("", []),
    ],
)
def test_words_have_one_form(text: str, expected: list[str]) -> None:
    assert forms(text) == expected


def test_a_number_of_several_words_keeps_their_forms_and_spans_all() -> None:
    (word,) = read_words("2.50 Million")
    assert word.kind is WordKind.NUMBER
    assert (word.start, word.end) == (0, 12)
    assert word.parts == ("2.5", "million")


def test_kinds() -> None:
    kinds = [word.kind for word in read_words("tram N.C. 3 three")]
    assert kinds == [WordKind.WORD, WordKind.INITIALS, WordKind.NUMBER, WordKind.NUMBER]


@given(st.text())
def test_words_lie_in_the_text_in_order(text: str) -> None:
    end = 0
    for word in read_words(text):
        assert end <= word.start < word.end <= len(text)
        assert word.written[0] == text[word.start]
        end = word.end


@given(st.from_regex(r"[a-z]{2,9}", fullmatch=True))
def test_case_and_possessive_change_nothing(word: str) -> None:
    assert folded(word.upper() + "'S") == folded(word.title() + "’s") == folded(word)
