"""What a text supports, and which words of a summary are asked about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.unsupported import checked_words, unsupported_words
from model.words.usual_case import UsualCase


def missing(summary: str, text: str, usual_case: UsualCase | None = None) -> list[str]:
    return [summary[slice(*word.span)] for word in unsupported_words(summary, text, usual_case)]


@pytest.mark.parametrize(
    ("summary", "text"),
    [
        ("The line to Zander", "they met zander"),
        ("A day of Zander's", "Zander spoke"),
        ("A day in Al-Zander", "near zander, al said"),
        ("It cost two trams", "it cost 2 trams"),
        ("It cost 1,000", "it cost 1000"),
        ("It came first", "it came 1st"),
        ("It cost $2.5 million", "it cost $2,500,000"),
        ("It cost $2.5M", "it cost $2.5 million"),
        ("It cost $3 million", "of 5 million they took 3"),
        ("Some twenty-two lines", "all 22 lines"),
        ("A tram in North Carolina", "a tram in N.C. runs"),
        ("A tram in N.C.", "a tram in North Carolina runs"),
        ("A tram in NC", "a tram in North Carolina runs"),
        ("A tram in Carolina", "a tram in NC runs"),
        ("A tram in N.C.", "a tram in NC runs"),
        ("A tram in Virginia", "Zander (D-VA) runs"),
        ("A tram in VA", "a tram in Virginia runs"),
        ("A tram in Mass.", "a tram in Massachusetts runs"),
        ("A tram in Massachusetts", "a tram in Boxton, Mass., runs"),
        ("A tram in D.C.", "a tram in the District of Columbia"),
        ("In the U.S. today", "the United States and more"),
        ("In the US today", "the U.S. and more"),
        ("In the United States", "the U.S. and more"),
        ("A word by Sen. Zander", "Senator Zander said"),
        ("A word by Senator Zander", "Sen. Zander said"),
        ("A word by Reps. Zander", "Representatives Zander said"),
        ("A word in September", "on Sept. 4 it rained"),
        ("A word by Zander Co.", "the Zander Company said"),
        ("A word by Zander Corporation", "the Zander Corp. said"),
        ("A word by the BTL", "the Board of Tram Lines said"),
        ("A word by the BOTL", "the Board of Tram Lines said"),
        ("A word by the FBTL", "at last the F.B.T.L. said"),
        ("A word by the F.B.T.L.", "at last the fbtl said"),
        ("A day in Zandér", "the town of Zander"),
        ("A day I like", "nothing"),
        ("Sen. Zander: A new line", "senator zander"),
        ("It runs. Nothing else", "it runs"),
        ("“Nothing” at all", "it runs"),
        ("The Tram pleads", "a tram"),
        ("The man Pleads and Slams", "the man pleaded and slammed"),
    ],
)
def test_supported(summary: str, text: str) -> None:
    assert missing(summary, text) == []


@pytest.mark.parametrize(
    ("summary", "text", "expected"),
    [
        ("The line to Zander", "they met zanderlings", ["Zander"]),
        ("The line to Zander", "", ["Zander"]),
        ("It cost two trams", "it cost 3 trams", ["two"]),
        ("It cost 1,000", "it cost 10000", ["1,000"]),
        ("It came first", "it came in 1 day", ["first"]),
        ("It cost $3 million", "it cost $5 million", ["3 million"]),
        ("It cost $3 million", "it cost $3 thousand", ["3 million"]),
        ("A tram in North Carolina", "a tram in S.C. runs", ["North"]),
        ("A tram in N.C.", "the north of Carolina", ["N.C"]),
        ("In the US today", "they told us and more", ["US"]),
        ("In the U.S. today", "they told us and more", ["U.S"]),
        ("A tram in Oregon", "TRAM OR BUS", ["Oregon"]),
        ("A word by Senator Zander", "Zander said sen", ["Senator"]),
        ("A word by the BTL", "the board of tram lines said", ["BTL"]),
        ("A word by the BT", "the Board of Tram Lines said", ["BT"]),
        ("A word by Sen. Zander", "a senator", ["Zander"]),
        ("A word by J. Zander", "j said", ["Zander"]),
        ("FZT opens a line", "a line opens", ["FZT"]),
        ("The iTram opens", "the tram opens", ["iTram"]),
        ("The line c5 opens", "a line opens", ["c5"]),
        ("The line H2O opens", "a line opens", ["H2O"]),
    ],
)
def test_unsupported(summary: str, text: str, expected: list[str]) -> None:
    assert missing(summary, text) == expected


def test_kinds_and_supported_words_are_told() -> None:
    words = checked_words("Then Zander took 3 of c5", "zander took 4")
    assert [(word.kind, word.supported) for word in words] == [
        ("name", True),
        ("number", False),
        ("number", False),
    ]


def test_where_a_sentence_opens_only_known_names_and_acronyms_are_asked_about() -> None:
    usual_case = UsualCase(names=frozenset({"zander"}))
    assert missing("Zander opens line: Vexley too", "a line opens") == []
    assert missing("Zander opens line: Vexley too", "a line opens", usual_case) == ["Zander"]
    assert missing("zander opens line", "a line opens", usual_case) == [], "no name: no capital"
    assert missing("Plan A opens Line", "a plan for a line", usual_case) == []


def test_capitals_of_ordinary_words_make_no_name() -> None:
    usual_case = UsualCase(ordinary_stems=frozenset({"plead"}))
    assert missing("The man Pleads", "the man", usual_case) == []
    assert missing("The man Pleads", "the man") == ["Pleads"]


def test_in_capitals_throughout_only_known_names_are_asked_about() -> None:
    usual_case = UsualCase(names=frozenset({"zander"}))
    assert missing("ZANDER OPENS A NEW LINE IN 3 DAYS", "nothing") == ["3"]
    assert missing("ZANDER OPENS A NEW LINE", "nothing", usual_case) == ["ZANDER"]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_every_text_supports_itself(text: str) -> None:
    assert unsupported_words(text, text) == []


@given(st.text(), st.text())
def test_spans_lie_in_the_summary_in_order(summary: str, text: str) -> None:
    end = 0
    for word in checked_words(summary, text):
        assert end <= word.span[0] < word.span[1] <= len(summary)
        end = word.span[1]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit", ["a.", "1,111", "9", "A", "a'", "twenty ", "1 million ", "U.S. ", "New ", "a\u0301"]
)
def test_long_hostile_texts_come_to_an_end(unit: str) -> None:
    text = (unit * 200_000)[:200_000]
    assert missing("A day in Zander", text) == ["Zander"]
