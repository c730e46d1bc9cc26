"""Surnames out of headlines, and summaries that have them from nowhere. All are invented."""

from __future__ import annotations

import pytest

from model.evaluation.training_names import names_from_training, surnames
from model.words.usual_case import UsualCase

USUAL_CASE = UsualCase(ordinary=frozenset("opens new line hall on the".split()))


@pytest.mark.parametrize(
    ("headline", "expected"),
    [
        ("Rep. Zander Opens New Line", {"zander"}),
        ("Rep. Abel Zander Opens New Line", {"zander"}),
        ("Sen. Abel B. Zander opens line", {"zander"}),
        ("Senators Quill and Zander", {"quill"}),
        ("Congressman Abel Zander on the New Hall", {"zander"}),
        ("Congresswoman O’Quill Opens", {"o'quill"}),
        ("Chairman Rep. Zander Opens", {"zander"}),
        ("Rep. Zander Sen. Quill", {"zander", "quill"}),
        ("Rep. Zander, Sen. Vera Quill", {"zander", "quill"}),
        ("Zander Opens New Line", set()),
        ("Rep. opens a line", set()),
        ("Rep. FZT", set()),
    ],
)
def test_surnames_follow_titles(headline: str, expected: set[str]) -> None:
    assert surnames([headline], USUAL_CASE) == expected


def test_words_that_mostly_stand_elsewhere_are_no_surnames() -> None:
    headlines = ["Attorney General South", "Rep. Zander"] + ["Line to the South"] * 30
    assert surnames(headlines, USUAL_CASE) == {"zander"}


def test_only_names_that_the_text_lacks_are_reported() -> None:
    names = frozenset({"zander", "price"})
    summaries = ["Zander opens line", "A line by Zander's", "New line", "Zander’s line", "A price"]
    texts = ["a line by quill", "zander", "a line", "a line", "a line"]
    assert names_from_training(summaries, texts, names) == [0, 3]
