"""No method is given a phrase that it has not earned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from model.explanation.claims import (
    COPIED,
    LOOKED,
    RELIED,
    REMOVED,
    UNTESTED,
    Evidence,
    earned_phrase,
    unmeasured_phrase,
)

ALL = {"random": 0.1, "lead": 0.1, "position": 0.1, "overlap": -0.1}
SURE = {"random": 0.0, "lead": 0.05, "position": 0.01}
GOOD = Evidence(
    advantage=ALL, p_values=SURE, sentence_tau=0.45, sane=True, split_error=1e-5,
    attention_use=0.01,
)  # fmt: skip
METHODS = ("attention", "copy_split", "source_reliance", "leave_one_out", "ablation")


def test_each_method_climbs_to_its_own_rung() -> None:
    assert [earned_phrase(method, GOOD) for method in METHODS] == [
        RELIED,
        COPIED,
        REMOVED,
        REMOVED,
        RELIED,
    ]


def test_without_measurements_little_may_be_said() -> None:
    assert [earned_phrase(method, Evidence()) for method in METHODS] == [
        LOOKED,
        LOOKED,
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("method", ["source_reliance", "gradient", "leave_one_out", "ablation"])
def test_what_shows_no_attention_does_not_say_where_the_model_looked(method: str) -> None:
    assert unmeasured_phrase(method) == UNTESTED
    for name in ("attention", "copy_split", "self_attention"):
        assert unmeasured_phrase(name) == LOOKED


@pytest.mark.parametrize(
    "evidence",
    [
        replace(GOOD, advantage=ALL | {"random": 0.0}),
        replace(GOOD, advantage=ALL | {"lead": -0.1}),
        replace(GOOD, advantage=ALL | {"position": 0.0}),
        replace(GOOD, advantage={"random": 0.1, "lead": 0.1}),
        replace(GOOD, p_values=SURE | {"lead": 0.051}),
        replace(GOOD, p_values={}),
        replace(GOOD, sentence_tau=0.44),
        replace(GOOD, sentence_tau=None),
        replace(GOOD, sane=False),
        replace(GOOD, attention_use=0.0),
    ],
)
def test_attention_that_misses_one_thing_is_where_the_model_looked(evidence: Evidence) -> None:
    assert earned_phrase("attention", evidence) == LOOKED


def test_a_split_that_is_not_exact_is_not_called_so() -> None:
    assert earned_phrase("copy_split", replace(GOOD, split_error=2e-5)) == LOOKED


@pytest.mark.parametrize("method", ["source_reliance", "gradient", "leave_one_out", "ablation"])
@pytest.mark.parametrize("sane", [False, None])
def test_what_fails_its_sanity_check_is_not_served(method: str, sane: bool | None) -> None:
    assert earned_phrase(method, replace(GOOD, sane=sane)) is None


@pytest.mark.parametrize("method", ["gradient", "ablation"])
def test_an_estimate_that_a_baseline_matches_is_not_served(method: str) -> None:
    assert earned_phrase(method, GOOD) == RELIED
    assert earned_phrase(method, replace(GOOD, advantage=ALL | {"lead": 0.0})) is None
    assert earned_phrase(method, replace(GOOD, p_values=SURE | {"lead": 0.06})) is None


def test_no_rung_says_why() -> None:
    rungs = (UNTESTED, LOOKED, RELIED, REMOVED, COPIED)
    assert not any("because" in phrase for phrase in rungs)
    assert REMOVED.format(nats=7.12) == "removing it changes the summary by 7.1 nats"
    assert COPIED.format(percent=82.4).startswith("exactly 82 % of")
