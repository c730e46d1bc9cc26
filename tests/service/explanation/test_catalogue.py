"""What is served of a model, and with which words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from model.explanation.claims import LOOKED, MUST_BEAT, UNTESTED
from model.explanation.intervals import Estimate
from service.errors import RuleBroken
from service.explanation.catalogue import (
    CHANCE,
    UNKNOWN,
    UNMOVED,
    check_methods,
    offers,
    refusals,
)
from service.predictor import ModelInfo

EVERY = ["attention", "copy_split", "source_reliance", "gradient", "self_attention"]
EVERY += ["leave_one_out", "ablation"]


def estimate(value: float) -> dict[str, Any]:
    return Estimate(mean=value, low=value - 0.1, high=value + 0.1, documents=9)._asdict()


def report(**methods: dict[str, Any]) -> dict[str, Any]:
    entry = {
        "comprehensiveness_area": estimate(0.4),
        "normalised_comprehensiveness": estimate(0.7),
        "word_tau": estimate(0.3),
        "sentence_tau": estimate(0.6),
        "advantage": {name: [estimate(0.2), estimate(0.3)] for name in MUST_BEAT},
        "sane": True,
    }  # fmt: skip
    names = ("attention", "copy_split", "leave_one_out", "ablation")
    reliance = {"sane": True, "copied_share_tau": estimate(0.5)}
    return {
        "documents": 9,
        "methods": {name: entry | methods.get(name, {}) for name in names},
        "source_reliance": reliance | methods.get("source_reliance", {}),
        "split_error": 1e-7,
        "even_attention_nats": estimate(0.5),
    }


def test_unmeasured_methods_claim_the_least(offered_by: Callable[..., ModelInfo]) -> None:
    found = offers(offered_by(), unmeasured=True)
    assert list(found) == EVERY
    for offer in found.values():
        shows_attention = offer.name in {"attention", "copy_split", "self_attention"}
        phrase = LOOKED if shows_attention else UNTESTED
        nothing_to_measure = {"measurable": False} if offer.name == "self_attention" else {}
        assert offer.evidence == {"measured": False, "phrase": phrase} | nothing_to_measure
    assert [name for name in found if found[name].is_slow] == ["leave_one_out", "ablation"]
    assert list(offers(offered_by(), unmeasured=False)) == ["attention", "copy_split"]


def test_a_signature_that_is_missing_takes_its_method_along(
    offered_by: Callable[..., ModelInfo],
) -> None:
    found = offers(offered_by(signatures=("saliency",)), unmeasured=True)
    assert set(EVERY) - found.keys() == {"self_attention"}


def test_what_was_measured_stands_beside_the_phrase_that_it_earned(
    offered_by: Callable[..., ModelInfo],
) -> None:
    found = offers(offered_by(faithfulness=report()), unmeasured=False)
    assert list(found) == [
        "attention", "copy_split", "source_reliance", "leave_one_out", "ablation",
    ]  # fmt: skip
    attention = found["attention"].evidence
    assert attention["phrase"] == "relied on more than chance"
    assert attention["advantage"] == pytest.approx({"random": 0.1, "lead": 0.1, "position": 0.1})
    assert attention["sentence_tau"] == pytest.approx({"mean": 0.6, "low": 0.5, "high": 0.7})
    assert (attention["measured"], attention["documents"], attention["sane"]) == (True, 9, True)
    phrases = {name: offer.evidence["phrase"] for name, offer in found.items()}
    assert phrases["copy_split"].startswith("exactly … % of this word's probability")
    assert phrases["leave_one_out"] == "removing it changes the summary by … nats"
    assert phrases["source_reliance"] == phrases["leave_one_out"]
    reliance = found["source_reliance"].evidence
    assert reliance["copied_share_tau"] == pytest.approx({"mean": 0.5, "low": 0.4, "high": 0.6})
    assert (reliance["sane"], reliance["word_tau"], reliance["advantage"]) == (True, None, None)


def test_a_method_that_failed_is_not_served_whatever_the_settings(
    offered_by: Callable[..., ModelInfo],
) -> None:
    failed = report(leave_one_out={"sane": False}, ablation={"sane": None})
    found = offers(offered_by(faithfulness=failed), unmeasured=True)
    assert not found.keys() & {"leave_one_out", "ablation"}
    assert refusals(offered_by(faithfulness=failed)) == {
        "leave_one_out": UNMOVED,
        "ablation": UNKNOWN,
    }
    no_better = report(ablation={"advantage": {}})
    assert refusals(offered_by(faithfulness=no_better)) == {"ablation": CHANCE}
    assert refusals(offered_by()) == {}
    reliance = offered_by(faithfulness=report(source_reliance={"sane": False}))
    assert refusals(reliance) == {"source_reliance": UNMOVED}
    assert "source_reliance" not in offers(reliance, unmeasured=True)
    weak = report(attention={"sane": False}, copy_split={"sane": False})
    found = offers(offered_by(faithfulness=weak), unmeasured=False)
    assert found["attention"].evidence["phrase"] == LOOKED
    assert "copy_split" in found
    with pytest.raises(RuleBroken, match="ablation is not served of this model; attention, copy"):
        check_methods(
            ["attention", "ablation"],
            {"attention": found["attention"], "copy_split": found["copy_split"]},
            {},
        )
    with pytest.raises(RuleBroken) as caught:
        check_methods(["ablation"], {"attention": found["attention"]}, {"ablation": UNMOVED})
    assert caught.value.detail.startswith(f"methods: ablation ({UNMOVED}) is not served")


def test_what_a_report_does_not_name_is_not_measured(
    offered_by: Callable[..., ModelInfo],
) -> None:
    older = report()
    del older["source_reliance"]
    found = offers(offered_by(faithfulness=older), unmeasured=True)
    unmeasured = {"measured": False, "phrase": UNTESTED}
    assert found["source_reliance"].evidence == found["gradient"].evidence == unmeasured
    without = offers(offered_by(faithfulness=older), unmeasured=False)
    assert not without.keys() & {"source_reliance", "gradient", "self_attention"}


async def test_the_info_page_lists_them(client: httpx.AsyncClient) -> None:
    found = (await client.get("/info")).json()["explanations"]
    assert [method["method"] for method in found["methods"]] == EVERY
    assert found["refused"] == []
    assert found["methods"][0] == {
        "method": "attention", "slow": False, "measured": False, "phrase": LOOKED,
    }  # fmt: skip
    assert (found["num_layers"], found["num_heads"], found["max_running"]) == (2, 4, 2)


async def test_the_answer_says_what_was_measured(
    client: httpx.AsyncClient, predictor: Any, offered_by: Callable[..., ModelInfo], text: str
) -> None:
    predictor.info = offered_by(faithfulness=report())
    answer = await client.post("/explain", json={"inputs": text})
    attention, split = answer.json()["predictions"][0]["explanations"]
    assert attention["evidence"]["measured"]
    assert split["evidence"]["phrase"].startswith("exactly … %")
