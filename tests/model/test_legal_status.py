"""Guilt that a summary asserts, against what its text says. All people are invented."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.legal_status import OPENING, charges, escalates, escalations

CHARGED = "Abel Zander of Tulsa was charged with fraud. "


@pytest.mark.parametrize(
    "text",
    [
        "He was charged.",
        "An indictment was unsealed",
        "Zander allegedly took it",
        "accused of",
        "ARRESTED",
        "The complaint says",
    ],
)
def test_texts_that_charge(text: str) -> None:
    assert charges(text)


@pytest.mark.parametrize("text", ["", "A tram line opens.", "It discharges water.", "In charge."])
def test_texts_that_charge_nobody(text: str) -> None:
    assert not charges(text)


@pytest.mark.parametrize(
    "text",
    [
        CHARGED + "If convicted, he faces ten years.",
        CHARGED + "He faces up to ten years if found guilty.",
        CHARGED + "Everyone is presumed innocent until proven guilty.",
        CHARGED + "All are presumed innocent unless and until convicted in court.",
        CHARGED + "He pleaded not guilty.",
        CHARGED + "He was never convicted.",
        CHARGED + "He didn't plead guilty.",
        CHARGED + "A court overturned the conviction.",
        CHARGED + "A conviction carries ten years.",
        CHARGED + "The offence carries a maximum sentence of ten years.",
        CHARGED + "Two co-conspirators pleaded guilty.",
        CHARGED + "He was previously convicted of theft.",
        CHARGED + "A convicted felon, he had a gun.",
        CHARGED + "He denies being guilty.",
        CHARGED + "He admitted the trip.",
        CHARGED + "To date, nine have been convicted.",
        CHARGED,
        "Abel Zander opened a tram line.",
    ],
)
def test_conviction_that_the_text_does_not_assert(text: str) -> None:
    summary = "Tulsa man convicted of fraud"
    assert [summary[slice(*span)] for span in escalations(summary, text)] == ["convicted"]
    assert escalates("Tulsa man pleads guilty to fraud", text)
    assert escalates("Tulsa man sentenced for fraud", text)
    assert not escalates("Tulsa man charged with fraud", text)


@pytest.mark.parametrize(
    "text",
    [
        CHARGED + "He pleaded guilty today.",
        CHARGED + "A jury convicted him.",
        CHARGED + "He was found guilty in May and faces ten years.",
        CHARGED + "Zander, who faces ten years, was convicted.",
        CHARGED + "Mr. Zander was sentenced to ten years.",
        CHARGED + "He received a ten-year sentence.",
        "Abel Zander, 26, of Crane, Texas, was convicted on charges of fraud.",
    ],
)
def test_conviction_that_the_text_asserts(text: str) -> None:
    assert not escalates("Tulsa man convicted of fraud", text)
    assert not escalates("Abel Zander convicted of fraud", text)
    assert not escalates("Member of Tram Brothers convicted of fraud", text)


@pytest.mark.parametrize(
    "plan",
    [
        "He will be sentenced in May.",
        "He is scheduled to be sentenced in May.",
        "He awaits sentencing.",
        "Sentencing is scheduled for May.",
        "His sentencing hearing is May 4.",
        "The sentence will be determined by a judge.",
        "Sentencing guidelines apply.",
    ],
)
def test_a_plan_to_sentence_is_no_sentence(plan: str) -> None:
    text = CHARGED + "He pleaded guilty. " + plan
    assert escalates("Tulsa man sentenced for fraud", text)
    assert not escalates("Tulsa man pleads guilty to fraud", text)


def test_an_admission_bears_out_an_admission_only() -> None:
    text = CHARGED + "He admitted that he took it."
    assert not escalates("Tulsa man admits fraud", text)
    assert escalates("Tulsa man guilty of fraud", text)


def test_guilt_of_another_by_name() -> None:
    text = CHARGED + "Vera Quill was convicted of fraud in May."
    assert escalates("Abel Zander convicted of fraud", text)
    assert not escalates("Vera Quill convicted of fraud", text)
    assert not escalates("Tulsa man convicted of fraud", text), "who the man is can't be seen"


def test_guilt_far_behind_a_charge_is_somebody_elses() -> None:
    filler = "The tram line runs from the harbour to the hill. " * 20
    assert len(filler) > OPENING
    text = CHARGED + filler + "In a related case, a clerk pleaded guilty."
    assert escalates("Tulsa man pleads guilty to fraud", text)
    assert not escalates("Tulsa man pleads guilty to fraud", text.replace(filler, ""))
    named = CHARGED + filler + "Zander pleaded guilty."
    assert not escalates("Abel Zander pleads guilty to fraud", named)


@pytest.mark.parametrize(
    "summary",
    [
        "Tulsa man faces ten years if convicted",
        "Tulsa man pleads not guilty",
        "Convicted felon charged with fraud",
        "Tulsa man to be sentenced in May",
        "",
    ],
)
def test_summaries_that_assert_no_guilt(summary: str) -> None:
    assert not escalates(summary, CHARGED)


def test_words_with_other_senses_count_only_beside_charges() -> None:
    assert not escalates("Equation admits a solution", "We solve an equation.")
    assert not escalates("Speaker of conviction gets a sentence", "A speech.")
    assert escalates("Tulsa man admits fraud", CHARGED)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit", ["guilty ", "sentence ", "not ", "is ", ", ", "A. ", "Aa guilty, "]
)
def test_long_hostile_texts_come_to_an_end(unit: str) -> None:
    text = ("charged " + unit * 200_000)[:200_000]
    assert isinstance(escalates("Abel Zander convicted of fraud", text), bool)


@given(st.text(), st.text())
def test_no_text_is_an_error(summary: str, text: str) -> None:
    for start, end in escalations(f"{summary} convicted", f"charged {text}"):
        assert 0 <= start < end <= len(summary) + 10
