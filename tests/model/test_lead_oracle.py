from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.lead_oracle import CHOSEN, HIDDEN, lead_oracle

LEAD = ["The council of Vexley voted for a tram line.", "It will cost nine million crowns."]
WORDS = st.lists(st.sampled_from("tram line council late vote 9 Vexley".split()), max_size=8)


def test_the_sentences_that_say_the_lead_again_are_labelled() -> None:
    rest = [
        "Rain fell all week.",
        "Nine million crowns is what it will cost.",
        "Nobody was hurt.",
        "Vexley voted for the tram line.",
        "A band played.",
    ]
    assert lead_oracle([*LEAD, *rest]) == [3, 5]


def test_neighbouring_words_count_beside_words() -> None:
    words = "line tram a for voted Vexley of council the."
    in_order = "The council of Vexley voted for a tram line."
    assert lead_oracle([*LEAD, words, in_order, "No."]) == [3]


def test_a_second_sentence_that_says_the_same_is_left_out() -> None:
    twice = "The council of Vexley voted for a tram line."
    assert lead_oracle([*LEAD, twice, twice, "Rain."]) == [2]


def test_long_sentences_are_not_chosen_for_their_length() -> None:
    right = "It will cost nine million crowns."
    padded = f"{right} {'Rain fell on every roof of the old town. ' * 5}"
    assert lead_oracle([*LEAD, padded, right, "Rain."]) == [3]


def test_case_and_punctuation_do_not_count() -> None:
    assert lead_oracle([*LEAD, "Rain.", "IT WILL COST: nine-million 'crowns'", "Wind."]) == [3]


def test_no_more_than_three_are_labelled() -> None:
    lead = ["Alpha beta.", "Gamma delta."]
    assert lead_oracle([*lead, "Alpha.", "Beta.", "Gamma.", "Delta."]) == [2, 3, 4]


@pytest.mark.parametrize(
    "rest", [[], ["Nine million."], ["Nine", "million"], ["Rain"] * 3, ["", "…", "雨"]]
)
def test_too_few_sentences_or_nothing_in_common_have_no_labels(rest: list[str]) -> None:
    assert lead_oracle([*LEAD, *rest]) == []


def test_a_lead_without_words_has_no_labels() -> None:
    assert lead_oracle(["…", "雨", "One.", "Two.", "Three."]) == []


@given(st.lists(WORDS.map(" ".join), max_size=12))
def test_labels_are_few_different_and_never_the_lead(sentences: list[str]) -> None:
    found = lead_oracle(sentences)
    assert found == sorted(set(found))
    assert len(found) <= CHOSEN
    assert all(HIDDEN <= index < len(sentences) for index in found)
    assert all(sentences[index] for index in found)
    assert not found or len(sentences) >= HIDDEN + CHOSEN
