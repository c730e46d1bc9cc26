"""Which words are names, by how a corpus writes them."""

from __future__ import annotations

import pytest

from model.words.usual_case import UsualCase, stem

TEXTS = [
    "Last week Quill pleaded for a tram. The council heard Quill.",
    "It read: “Zander Pleads Guilty”. Then he pleaded again, and they pleaded, and all pleaded.",
]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("pleads", "plead"),
        ("pleaded", "plead"),
        ("pleading", "plead"),
        ("introduces", "introduc"),
        ("introducing", "introduc"),
        ("slammed", "slam"),
        ("slams", "slam"),
        ("sues", "su"),
        ("sued", "su"),
        ("is", "is"),
        ("tram", "tram"),
    ],
)
def test_inflections_share_a_stem(form: str, expected: str) -> None:
    assert stem(form) == expected


def test_words_that_are_mostly_capitalised_are_names() -> None:
    usual = UsualCase.learn(TEXTS)
    assert usual.is_name("quill")
    assert not usual.is_ordinary("quill")
    assert usual.is_ordinary("tram")
    assert not usual.is_name("tram")


def test_a_rare_capital_is_outvoted_by_the_inflections() -> None:
    usual = UsualCase.learn(TEXTS)
    assert usual.is_ordinary("pleads")
    assert not usual.is_name("pleads")


def test_a_frequent_capital_is_not() -> None:
    usual = UsualCase.learn(
        ["Then Banks spoke. " * 25, "At the bank, in a bank, by this bank. " * 25]
    )
    assert usual.is_name("banks")
    assert usual.is_ordinary("bank")


def test_inflections_of_ordinary_words_are_ordinary_and_unknown_words_are_nothing() -> None:
    usual = UsualCase.learn(TEXTS)
    assert usual.is_ordinary("pleading")
    assert not usual.is_ordinary("vexley")
    assert not usual.is_name("vexley")
    assert not UsualCase().is_ordinary("tram")
