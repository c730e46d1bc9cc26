from __future__ import annotations

import numpy as np
import pytest

from model.evaluation.baselines import (
    LEAD_WORDS,
    begins_text,
    best_leads,
    first_sentence,
    leads,
    share_beginning,
)
from model.evaluation.rouge import rouge

TEXT = "The council voted. It was late."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TEXT, "The council voted."),
        ("“Late!” She laughed.", "“Late!”"),
        ("At 3.5 metres it stopped. 12 came.", "At 3.5 metres it stopped."),
        ("It cost e.g. five crowns? Then “No.” came.", "It cost e.g. five crowns?"),
        ("one line\nthat goes on. Then this.", "one line\nthat goes on."),
        ("no end in sight", "no end in sight"),
        ("", ""),
    ],
)
def test_the_first_sentence_ends_before_a_capital(text: str, expected: str) -> None:
    assert first_sentence(text) == expected


def test_leads_are_the_first_words_at_several_lengths_and_the_first_sentence() -> None:
    words = [str(i) for i in range(50)]
    found = leads(" \n".join(words))
    assert [len(lead.split()) for lead in found.values()] == [*LEAD_WORDS, 50]
    assert found["first 10 words"] == "0 1 2 3 4 5 6 7 8 9"


def test_a_short_text_is_its_own_lead() -> None:
    assert leads(TEXT)["first 8 words"] == TEXT


def test_the_best_lead_is_chosen_for_each_metric() -> None:
    texts = [" ".join(f"w{i}{j}" for j in range(40)) for i in range(3)]
    references = [" ".join(text.split()[:15]) for text in texts]
    best = best_leads(texts, references)
    assert [name for name, _ in best] == ["first 15 words"] * 3
    np.testing.assert_allclose(best[0][1], 100.0)


def test_best_leads_come_with_their_scores() -> None:
    texts, references = [TEXT, "No end in sight"], ["Council voted late", "Sight"]
    for name, scores in best_leads(texts, references):
        expected = rouge([leads(text)[name] for text in texts], references)
        np.testing.assert_array_equal(scores, expected)


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("The council voted", True),
        ("the COUNCIL — voted!", True),
        ("Council voted", False),
        ("The council voted late", False),
        ("", False),
        ("…", False),
    ],
)
def test_a_summary_begins_its_text_when_its_words_are_the_first_words(
    summary: str, expected: bool
) -> None:
    assert begins_text(summary, TEXT) is expected


def test_a_summary_longer_than_its_text_does_not_begin_it() -> None:
    assert not begins_text(TEXT + " And more.", TEXT)


def test_share_beginning() -> None:
    assert share_beginning(["The council", "It was", "The"], [TEXT] * 3) == pytest.approx(2 / 3)
