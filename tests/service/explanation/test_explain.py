"""`POST /explain`, over a model whose evidence is known."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from model.explanation.planted import PlantedCopier
from service.errors import NonFiniteOutput, TextTooLong
from service.explanation.catalogue import UNMOVED
from service.explanation.schemas import ExplainResponse

Explain = Callable[..., Awaitable[httpx.Response]]
COPIER = PlantedCopier()


async def explained(explain: Explain, **fields: Any) -> dict[str, Any]:
    answer = await explain(**fields)
    assert answer.status_code == 200, answer.text
    ExplainResponse.model_validate(answer.json(), extra="forbid")
    (prediction,) = answer.json()["predictions"]
    found: dict[str, Any] = prediction
    return found


def cut(text: str, start: int, end: int, unit: str) -> str:
    encoding, width = {"code_point": ("utf-32-le", 4), "utf16": ("utf-16-le", 2)}.get(
        unit, ("utf-8", 1)
    )
    return text.encode(encoding)[width * start : width * end].decode(encoding)


async def test_by_default_it_says_where_the_model_looked_and_what_it_copied(
    explain: Explain, predictor: Any
) -> None:
    found = await explained(explain)
    assert [e["method"] for e in found["explanations"]] == ["attention", "copy_split"]
    assert predictor.asked == []  # all of it is known from the search
    rows = found["explanations"][0]["rows"]
    assert [row["token"] for row in rows] == found["summary_tokens"]["token"]
    for row in rows[:-1]:
        assert row["sources"][0]["token"] == row["token"]
        assert row["sources"][0]["weight"] == pytest.approx(COPIER.peak)
        total = sum(source["weight"] for source in row["sources"]) + row["rest"]
        assert total == pytest.approx(1, abs=1e-5)
        assert 0 < row["special"] <= row["rest"]
    end = rows[-1]
    assert (end["token"], end["start"], end["end"]) == ("", None, None)
    assert end["special"] == pytest.approx(COPIER.peak)


async def test_a_probability_is_what_was_copied_and_what_was_generated(explain: Explain) -> None:
    found = await explained(explain, methods=["copy_split"])
    (split,) = found["explanations"]
    assert split["error"] <= 1e-5
    for row in split["rows"]:
        assert math.exp(row["log_prob"]) == pytest.approx(
            row["copied"] + row["generated"], abs=1e-5
        )
        assert row["copied"] == pytest.approx(sum(s["copied"] for s in row["sources"]), abs=1e-5)
        assert row["copied"] == pytest.approx(COPIER.copied, abs=1e-5)
        (source,) = row["sources"]
        assert source["token"] == row["token"]


@pytest.mark.parametrize("unit", ["code_point", "utf16", "utf8"])
async def test_every_offset_slices_the_text_that_was_sent(
    explain: Explain, text: str, unit: str
) -> None:
    every = ["attention", "copy_split", "source_reliance", "self_attention", "gradient"]
    for given in ("token", "word"):
        found = await explained(
            explain, methods=every, layer=0, head=0, offset_unit=unit, unit=given
        )
        summary = found["summary"]
        tables = [(found["summary_tokens"], summary), (found["source_units"], text)]
        tables += [(e["source_units"], text) for e in found["explanations"] if "source_units" in e]
        for table, of in tables:
            for token, start, end, special in zip(
                *(table[name] for name in ("token", "start", "end", "special")), strict=True
            ):
                assert special == (start is None)
                assert special or cut(of, start, end, unit) == token
        for explanation in found["explanations"]:
            of = text if explanation["method"] == "self_attention" else summary
            for row in explanation.get("rows", []):
                places = [(row, of)] + [(source, text) for source in row.get("sources", [])]
                for place, where in places:
                    if place["start"] is not None:
                        assert cut(where, place["start"], place["end"], unit) == place["token"]


async def test_source_reliance_is_what_a_word_loses_with_the_text(explain: Explain) -> None:
    found = await explained(explain, methods=["source_reliance"])
    (reliance,) = found["explanations"]
    lost = math.log((COPIER.copied + COPIER.generated) / COPIER.generated)
    assert [row["score"] for row in reliance["rows"][:-1]] == pytest.approx([lost] * 3, abs=1e-5)
    assert reliance["rows"][-1]["score"] == pytest.approx(0, abs=0.3)  # the end is never hidden


async def test_the_gradient_is_asked_for_with_the_target(explain: Explain, predictor: Any) -> None:
    found = await explained(explain, methods=["gradient"], target={"start": 0, "end": 3})
    (gradient,) = found["explanations"]
    (task, background), *_ = predictor.asked
    assert not background
    assert task.target.tolist() == [1, 0, 0, 0]
    units = found["source_units"]
    assert len(gradient["scores"]) == len(units["token"])
    lit = [token for token, score in zip(units["token"], gradient["scores"], strict=True) if score]
    assert lit == [found["summary_tokens"]["token"][0]]


async def test_self_attention_is_of_one_head_and_of_the_text(explain: Explain) -> None:
    found = await explained(explain, methods=["self_attention"], layer=1, head=2)
    (one,) = found["explanations"]
    tokens = found["source_units"]["token"]
    assert [row["token"] for row in one["rows"]] == tokens
    assert one["target"] is None
    for place, row in enumerate(one["rows"][:-8]):
        assert row["sources"][0]["token"] == tokens[place + 7]
        assert len(row["sources"]) <= 5


async def test_a_target_grows_to_its_words_and_restricts_rows(explain: Explain) -> None:
    whole = await explained(explain)
    table = whole["summary_tokens"]
    first, second = table["start"][1], table["end"][1]
    found = await explained(explain, target={"start": first + 1, "end": first + 2})
    for explanation in found["explanations"]:
        assert explanation["target"] == {"start": first, "end": second}
        assert [row["token"] for row in explanation["rows"]] == [table["token"][1]]
    outside = {"start": 0, "end": len(whole["summary"]) + 1}
    gap = {"start": table["end"][0], "end": table["end"][0] + 1}
    for target in (outside, gap, {"start": 3, "end": 3}):
        answer = await explain(target=target)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("target: ")


async def test_an_own_summary_is_scored_as_it_was_sent(explain: Explain, predictor: Any) -> None:
    own = "boats   near the  harbour"
    found = await explained(explain, summary=own, case="title")
    assert found["summary"] == own
    assert predictor.searched == []
    table = found["summary_tokens"]
    assert table["token"] == ["boats", "near", "the", "harbour", ""]
    assert table["copied_share"][0] > 0.9
    assert table["copied_share"][2] == 0  # not in the text
    answer = await explain(inputs=["one text", "two texts"], summary=own)
    assert "summary is of one text, and inputs holds 2" in answer.json()["detail"]


async def test_words_without_support_have_their_places(explain: Explain) -> None:
    found = await explained(explain, summary="\U0001f600 boats of Vexley", offset_unit="utf16")
    assert found["unsupported_words"] == [
        {"text": "Vexley", "start": 12, "end": 18, "kind": "name"}
    ]
    assert "unsupported_words" in found["warnings"]
    assert (await explained(explain))["unsupported_words"] == []


async def test_several_texts_are_explained_in_their_order(explain: Explain, text: str) -> None:
    answer = await explain(inputs=[text, "A bell rang twice over the market square."])
    both = answer.json()["predictions"]
    assert len(both) == 2
    (alone,) = (await explain()).json()["predictions"]
    assert both[0] == alone


async def test_title_case_moves_spans_and_target(explain: Explain) -> None:
    plain = await explained(explain)
    titled = await explained(explain, case="title", target={"start": 0, "end": 1})
    assert titled["summary"].casefold() == plain["summary"].casefold()
    assert titled["explanations"][0]["target"]["start"] == 0


async def test_what_predict_shows_is_what_is_explained(
    client: httpx.AsyncClient, explain: Explain, text: str, predictor: Any
) -> None:
    answer = await client.post("/predict", json={"inputs": text, "attention": "matrix"})
    matrix = answer.json()["predictions"][0]["attention"]
    found = await explained(explain, methods=["attention"])
    assert predictor.searched[0] == predictor.searched[1]  # so that it comes from the cache
    for name in ("token", "start", "end", "log_prob", "copy_gate", "copied_share"):
        assert found["summary_tokens"][name] == matrix["summary_tokens"][name]
    weights = np.array(matrix["weights"])
    where = {start: i for i, start in enumerate(matrix["source_tokens"]["start"])}
    for row, entry in zip(weights, found["explanations"][0]["rows"], strict=True):
        for source in entry["sources"]:
            assert source["weight"] == pytest.approx(row[where[source["start"]]], abs=1e-6)


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"methods": []}, "methods should have at least 1 item"),
        ({"methods": ["attention"] * 8}, "methods should have at most 7 items"),
        ({"methods": ["lime"]}, "methods should be 'attention'"),
        ({"methods": ["attention", "attention"]}, "methods should name each method once"),
        ({"methods": "attention"}, "methods should be a valid list"),
        ({"methods": ["self_attention"], "head": 0}, "layer is required by self_attention"),
        ({"methods": ["self_attention"], "layer": 0}, "head is required by self_attention"),
        (
            {"methods": ["self_attention"], "layer": 2, "head": 0},
            "layer should be at most 1",
        ),
        (
            {"methods": ["self_attention"], "layer": 1, "head": 4},
            "head should be at most 3",
        ),
        ({"layer": 0}, "layer is for self_attention"),
        ({"head": 0}, "head is for self_attention"),
        ({"summary": " \n"}, "summary must hold text"),
        ({"summary": 7}, "summary should be a valid string"),
        ({"target": {"start": 0, "stop": 3}}, "target: unknown field"),
        ({"target": {"start": -1, "end": 3}}, "target"),
        ({"audit": True}, "unknown field"),
        ({"candidates": 2}, "unknown field"),
        ({"style": "ode"}, "style must be one of: headline, tldr"),
        ({"inputs": ""}, "inputs must hold text"),
    ],
)
async def test_a_broken_rule_is_named(
    explain: Explain, fields: dict[str, Any], detail: str
) -> None:
    answer = await explain(**fields)
    assert answer.status_code == 422
    assert detail in answer.json()["detail"]
    assert "validation" not in answer.json()["detail"]


async def test_a_method_that_is_not_served_is_refused_with_those_that_are(
    explain: Explain, predictor: Any
) -> None:
    predictor.info = replace(predictor.info, signatures=())
    answer = await explain(methods=["gradient", "attention"])
    assert answer.status_code == 422
    detail = answer.json()["detail"]
    assert "gradient is not served" in detail
    assert detail.endswith("attention, copy_split, source_reliance, leave_one_out, ablation are")


async def test_a_method_that_failed_is_refused_with_the_reason(
    explain: Explain, predictor: Any
) -> None:
    report = {
        "documents": 9,
        "methods": {"ablation": {"advantage": {}, "sentence_tau": {"mean": 0.5}, "sane": False}},
        "split_error": 1e-7,
        "even_attention_nats": {"low": 0.5},
    }
    predictor.info = replace(predictor.info, faithfulness=report)
    answer = await explain(methods=["ablation"])
    assert answer.status_code == 422
    assert f"ablation ({UNMOVED}) is not served of this model" in answer.json()["detail"]


async def test_errors_of_the_model_reach_the_client(explain: Explain, predictor: Any) -> None:
    predictor.error = NonFiniteOutput()
    answer = await explain(methods=["source_reliance"])
    assert (answer.status_code, answer.json()["error_type"]) == (500, "non-finite-output")
    predictor.error = TextTooLong(0, 99, 64)
    answer = await explain(summary="boats", truncation="error")
    assert answer.status_code == 422
    assert answer.json()["detail"] == "inputs has 99 tokens; the model reads at most 64"


async def test_who_has_no_time_left_is_told(client: httpx.AsyncClient, predictor: Any) -> None:
    predictor.open.clear()

    async def never(*_: Any, **__: Any) -> Any:
        await predictor.open.wait()

    predictor.compute = never
    answer = await client.post(
        "/explain",
        json={"inputs": "A bell rang twice.", "methods": ["source_reliance"]},
        headers={"X-Request-Timeout-Ms": "50"},
    )
    assert (answer.status_code, answer.json()["error_type"]) == (429, "deadline-passed")
