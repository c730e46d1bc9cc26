from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.tokenizer import word_spans
from service.rendering.title_case import title_case


@pytest.mark.parametrize(
    ("sentence", "title"),
    [
        ("City council approves harbour tram line", "City Council Approves Harbour Tram Line"),
        ("man of the year in a storm", "Man of the Year in a Storm"),
        ("the end of it all is what we think of", "The End of It All Is What We Think Of"),
        ("new iPhone and NASA's plan", "New iPhone and NASA's Plan"),
        ("tram line: the council votes", "Tram Line: The Council Votes"),
        ("what next? a plan", "What Next? A Plan"),
        ("U.S. and allies sign", "U.S. and Allies Sign"),
        ("built-in up-to-date well-known", "Built-In Up-To-Date Well-Known"),
        ("it's o'clock, don’t go", "It's O'clock, Don’t Go"),
        ("5g on the 3rd, the 90's hits", "5g on the 3rd, the 90's Hits"),
        ("'quoted' “words” (inside)", "'Quoted' “Words” (Inside)"),
        ("ﬁne élan ßtraße", "Fine Élan Sstraße"),
        ("2 + 2", "2 + 2"),
        ("", ""),
    ],
)
def test_words_get_headline_capitals(sentence: str, title: str) -> None:
    assert title_case(sentence, [])[0] == title


def test_a_capital_that_is_longer_moves_the_spans() -> None:
    text = "the ﬁne end"
    title, spans = title_case(text, [(0, 3), (4, 7), None, (8, 11)])
    assert title == "The Fine End"
    assert spans == [(0, 3), (4, 8), None, (9, 12)]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_spans_follow_their_words_and_nothing_but_case_changes(text: str) -> None:
    spans = word_spans(text)
    title, moved = title_case(text, spans)
    assert title.upper() == text.upper()
    for before, after in zip(spans, moved, strict=True):
        assert after is not None
        assert title[slice(*after)].upper() == text[slice(*before)].upper()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_title_is_left_as_it_is(text: str) -> None:
    title, _ = title_case(text, [])
    assert title_case(title, [])[0] == title
