from __future__ import annotations

from collections import Counter

import pytest

from model.words.truecasing import Truecaser, capitalised, inside_spellings, is_title_case, usual

SOURCE = (
    "The council of Linden Bay voted on Tuesday. Its new tax office, the Linden Tax Division, "
    "opens in May. Every tax that the council raises goes to iPhone lessons by Ann McKay."
)


@pytest.fixture
def truecaser() -> Truecaser:
    corpus = ["We saw that rivers rise in Aldermoor after storms.", "The rivers of Aldermoor rise."]
    return Truecaser.learn(corpus)


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("City Council Raises New Tax", "City council raises new tax"),  # lower case is preferred
        ("New Office in Linden Bay", "New office in Linden Bay"),  # names stay
        ("Rivers Rise After Storms", "Rivers rise after storms"),  # spellings of the corpus
        ("After Storms Rivers Rise", "After storms rivers rise"),  # the first word is capitalised
        ("Council of NATO Opens Office", "Council of NATO opens office"),  # acronyms stay
        ("Office Opens for McKay Family", "Office opens for McKay Family"),  # capitals inside stay
        (  # the source's spelling
            "Council Raises Money iPhone Office Aldermoor Voted",
            "Council raises Money iPhone office Aldermoor voted",
        ),
        ("Unknown Words Remain Unknown", "Unknown Words Remain Unknown"),  # no spelling is known
        ("“Rivers Rise”, Council Says", "“Rivers rise”, council Says"),  # after a quotation mark
    ],
)
def test_title_case_takes_known_spellings(
    truecaser: Truecaser, summary: str, expected: str
) -> None:
    assert truecaser.truecase(summary, SOURCE) == expected


@pytest.mark.parametrize(
    "summary",
    [
        "Council votes on new Tax Division",
        "council votes on new tax",
        "iPhone lessons for all",
        "Storm",
        "A Tax on It",
        "",
        "3,000 – 5,000",
    ],
)
def test_what_is_not_title_case_passes_through_unchanged(
    truecaser: Truecaser, summary: str
) -> None:
    assert truecaser.truecase(summary, SOURCE) == summary


def test_the_source_wins_over_the_corpus(truecaser: Truecaser) -> None:
    source = "It is said that the Rivers of the Rivers family, the Rivers, moved."
    assert truecaser.truecase("Family Rivers Moved Again", source) == "Family Rivers moved Again"


def test_shouted_headlines_are_respelt_though_they_look_like_acronyms(
    truecaser: Truecaser,
) -> None:
    found = truecaser.truecase("RIVERS RISE IN ALDERMOOR AND LINDEN BAY", SOURCE)
    assert found == "Rivers rise in Aldermoor AND Linden Bay"


def test_a_sentence_case_word_at_a_sentence_start_says_nothing_of_its_spelling() -> None:
    assert "its" not in inside_spellings(SOURCE)
    assert inside_spellings(SOURCE)["tax"] == Counter({"tax": 2, "Tax": 1})


@pytest.mark.parametrize("before", [". ", "! ", "?\n", ": ", "; ", ".” ", ".' ", "\n", " “", " ("])
def test_words_after_a_break_do_not_count(before: str) -> None:
    assert "word" not in inside_spellings(f"Some{before}Word here.")


@pytest.mark.parametrize("before", [" ", ", ", " – ", "’s "])
def test_words_inside_a_sentence_count(before: str) -> None:
    assert inside_spellings(f"Some{before}Word here.")["word"] == Counter({"Word": 1})


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("City Council Approves Tram Line", True),
        ("City Council approves tram line", False),
        ("City Council Approves Tram in the Bay and of it", True),  # short words don't matter
        ("Council Approves", False),  # too few words to tell
        ("One Two Three Four five seven Eight Nine", False),
    ],
)
def test_title_case_is_told_by_the_long_words_after_the_first(summary: str, expected: bool) -> None:
    assert is_title_case(summary) is expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"tax": 1, "Tax": 4}, "tax"),
        ({"tax": 1, "Tax": 5}, "Tax"),
        ({"Bay": 3}, "Bay"),
        ({"iOS": 2, "IOS": 1}, "iOS"),
    ],
)
def test_lower_case_is_usual_unless_it_is_rare(counts: dict[str, int], expected: str) -> None:
    assert usual(Counter(counts)) == expected


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("rivers rise", "Rivers rise"),
        ("“rivers rise”", "“Rivers rise”"),
        ("iOS update", "iOS update"),
        ("5 – rivers rise", "5 – rivers rise"),
        ("élan", "Élan"),
        ("12", "12"),
    ],
)
def test_the_first_letter_is_capitalised(summary: str, expected: str) -> None:
    assert capitalised(summary) == expected
