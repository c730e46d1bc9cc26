"""`POST /predict`: the contract's fields on the way out, its rules on the way in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from service.errors import Overloaded
from service.predictor import Candidate
from service.schemas import PredictResponse

Predict = Callable[..., Awaitable[httpx.Response]]


def assert_problem(response: httpx.Response, status: int, name: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert len(response.content) < 4096
    body: dict[str, Any] = response.json()
    assert body["type"] == f"urn:attention-summarizer:problem:{name}"
    assert body["status"] == status
    assert body["error_type"] == name
    assert body["instance"].endswith(response.headers["x-request-id"])
    assert body["error"] == f"{body['title']}: {body['detail']}"
    return body


# What is answered


async def test_the_answer_has_the_fields_of_the_contract(predict: Predict, text: str) -> None:
    body = (await predict()).json()
    assert body.keys() == {"id", "model", "predictions", "usage"}
    assert body["model"] == {"name": "summarizer", "version": "7", "sha256": "ab" * 32}
    assert body["usage"] == {"source_tokens": 31, "summary_tokens": 6}
    (prediction,) = body["predictions"]
    assert prediction.keys() == {
        "summary", "style", "finish_reason", "log_prob", "attention", "key_sentences", "source",
        "unsupported_words", "warnings",
    }  # fmt: skip
    assert prediction["summary"] == "The city council voted on"
    assert prediction["source"] == {
        "tokens": 31,
        "used_tokens": 31,
        "used_end": len(text),
        "truncated": False,
        "offset_unit": "code_point",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    assert prediction["unsupported_words"] == prediction["warnings"] == []


@pytest.mark.parametrize("attention", ["sources", "matrix", "none"])
@pytest.mark.parametrize("unit", ["token", "word"])
async def test_the_answer_fits_the_documented_schema(
    predict: Predict, attention: str, unit: str
) -> None:
    response = await predict(attention=attention, unit=unit)
    PredictResponse.model_validate_json(response.content, extra="forbid")


async def test_the_headers_say_who_answered_and_how_long_each_stage_took(predict: Predict) -> None:
    response = await predict()
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-model-version"] == "7"
    assert response.headers["x-request-id"] == response.json()["id"]
    assert response.headers["cache-control"] == "no-store"
    stages = [part.split(";dur=")[0] for part in response.headers["server-timing"].split(", ")]
    assert stages == ["parse", "queue", "model", "render", "total"]


async def test_every_entry_slices_the_texts_and_sums_to_one(predict: Predict, text: str) -> None:
    (prediction,) = (await predict()).json()["predictions"]
    assert len(prediction["attention"]) == 5  # the final token has no text
    for entry in prediction["attention"]:
        assert entry["token"] == prediction["summary"][entry["start"] : entry["end"]]
        weights = [source["weight"] for source in entry["sources"]]
        assert sum(weights) + entry["rest"] == pytest.approx(1, abs=1e-3)
        assert weights == sorted(weights, reverse=True)
        for source in entry["sources"]:
            assert source["token"] == text[source["start"] : source["end"]]


async def test_the_matrix_keeps_special_tokens_without_offsets(predict: Predict) -> None:
    (prediction,) = (await predict(attention="matrix")).json()["predictions"]
    matrix = prediction["attention"]
    assert matrix["axes"] == ["summary_token", "source_token"]
    assert matrix["shape"] == [6, 31]
    assert matrix["row_semantics"] == "predicting"
    assert matrix["normalization"] == "row_sum_1"
    weights = np.array(matrix["weights"])
    assert weights.shape == (6, 31)
    assert weights.sum(axis=1) == pytest.approx(1, abs=1e-3)
    assert matrix["source_tokens"]["weight"] == pytest.approx(weights.mean(axis=0), abs=2e-6)
    for table in (matrix["summary_tokens"], matrix["source_tokens"]):
        assert table["special"] == [False] * (len(table["token"]) - 1) + [True]
        assert (table["token"][-1], table["start"][-1], table["end"][-1]) == ("", None, None)
    log_probs = matrix["summary_tokens"]["log_prob"]
    assert sum(log_probs) == pytest.approx(prediction["log_prob"], abs=1e-5)


async def test_attention_none_leaves_the_field_out(predict: Predict) -> None:
    (prediction,) = (await predict(attention="none")).json()["predictions"]
    assert "attention" not in prediction


async def test_several_texts_are_answered_in_their_order(predict: Predict) -> None:
    body = (await predict(inputs=["one two three", "four five six"])).json()
    summaries = [prediction["summary"] for prediction in body["predictions"]]
    assert summaries == ["one two three", "four five six"]
    assert body["usage"] == {"source_tokens": 8, "summary_tokens": 8}


async def test_offsets_are_counted_in_the_unit_asked_for(predict: Predict) -> None:
    text = "😀 grüße aus der Stadt"
    for unit, encoding, width in [("utf16", "utf-16-le", 2), ("utf8", "utf-8", 1)]:
        answer = await predict(inputs=text, offset_unit=unit)
        (prediction,) = answer.json()["predictions"]
        assert prediction["source"]["offset_unit"] == unit
        assert prediction["source"]["used_end"] == len(text.encode(encoding)) // width
        for entry in prediction["attention"]:
            for source in entry["sources"]:
                piece = text.encode(encoding)[width * source["start"] : width * source["end"]]
                assert piece.decode(encoding) == source["token"]


async def test_title_case_converts_the_summary_and_its_tokens(predict: Predict) -> None:
    (prediction,) = (await predict(case="title")).json()["predictions"]
    assert prediction["summary"] == "The City Council Voted On"
    tokens = [entry["token"] for entry in prediction["attention"]]
    assert tokens == ["The", "City", "Council", "Voted", "On"]


async def test_what_the_request_leaves_open_is_the_models_default(
    predict: Predict, predictor: Any
) -> None:
    await predict()
    await predict(
        style="tldr", num_beams=1, max_new_tokens=9, min_new_tokens=0, length_penalty=0,
        truncation="error", support="loose", key_sentences=0, candidates=1,
    )  # fmt: skip
    defaults, chosen = (options for _, options in predictor.calls)
    assert vars(defaults) == {
        "style": "headline",
        "num_beams": 4,
        "max_new_tokens": 16,
        "min_new_tokens": 3,
        "length_penalty": 1.0,
        "truncation": "lead",
        "support": "strict",
        "key_sentences": 3,
        "candidates": 1,
    }
    assert vars(chosen) == {
        "style": "tldr",
        "num_beams": 1,
        "max_new_tokens": 9,
        "min_new_tokens": 0,
        "length_penalty": 0,
        "truncation": "error",
        "support": "loose",
        "key_sentences": 0,
        "candidates": 1,
    }


async def test_a_cut_text_says_where(predict: Predict) -> None:
    text = "word " * 100
    (prediction,) = (await predict(inputs=text)).json()["predictions"]
    assert prediction["source"]["truncated"] is True
    assert prediction["source"]["tokens"] == 101
    assert prediction["source"]["used_tokens"] == 64
    assert prediction["source"]["used_end"] == 63 * 5 - 1
    assert "truncated" in prediction["warnings"]


async def test_a_selection_of_a_long_text_says_which_passages_were_read(predict: Predict) -> None:
    text = "😀 " + "grüße " * 99
    units = [("code_point", "utf-32-le", 4), ("utf16", "utf-16-le", 2), ("utf8", "utf-8", 1)]
    for unit, encoding, width in units:
        answer = await predict(inputs=text, truncation="select", offset_unit=unit)
        (prediction,) = answer.json()["predictions"]
        source = prediction["source"]
        read = [
            text.encode(encoding)[width * passage["start"] : width * passage["end"]].decode(
                encoding
            )
            for passage in source["passages"]
        ]
        assert read == ["😀", " ".join(["grüße"] * 62)]
        assert source["used_end"] == source["passages"][-1]["end"]
        assert (source["used_tokens"], source["truncated"]) == (64, True)
        assert "truncated" in prediction["warnings"]
        PredictResponse.model_validate_json(answer.content, extra="forbid")


async def test_passages_are_left_out_where_the_whole_text_or_its_lead_was_read(
    predict: Predict,
) -> None:
    for fields in ({"truncation": "select"}, {"inputs": "word " * 100}):
        (prediction,) = (await predict(**fields)).json()["predictions"]
        assert "passages" not in prediction["source"]


async def test_key_sentences_are_slices_with_scores_in_the_unit_asked_for(
    predict: Predict,
) -> None:
    text = "😀 grüße aus der Stadt"
    for unit, encoding, width in [("utf16", "utf-16-le", 2), ("utf8", "utf-8", 1)]:
        answer = await predict(inputs=text, offset_unit=unit, key_sentences=4)
        (prediction,) = answer.json()["predictions"]
        assert [found["text"] for found in prediction["key_sentences"]] == text.split()[:4]
        for found in prediction["key_sentences"]:
            piece = text.encode(encoding)[width * found["start"] : width * found["end"]]
            assert piece.decode(encoding) == found["text"]
            assert found["score"] == 0.1


@pytest.mark.parametrize("wanted", [0, 1, 10])
async def test_there_are_at_most_as_many_key_sentences_as_wanted(
    predict: Predict, wanted: int
) -> None:
    answer = await predict(inputs="one two", key_sentences=wanted)
    assert len(answer.json()["predictions"][0]["key_sentences"]) == min(wanted, 2)


async def test_candidates_are_different_texts_with_the_summary_first(predict: Predict) -> None:
    (prediction,) = (await predict(candidates=3)).json()["predictions"]
    assert prediction["candidates"] == [
        {"summary": "The city council voted on", "score": 0.0},
        {"summary": "The city council voted", "score": -1.0},
        {"summary": "The city council", "score": -2.0},
    ]
    (prediction,) = (await predict(candidates=2, case="title")).json()["predictions"]
    found = [candidate["summary"] for candidate in prediction["candidates"]]
    assert found == ["The City Council Voted On", "The City Council Voted"]
    assert prediction["summary"] == found[0]


async def test_candidates_that_differ_in_case_alone_are_one_in_title_case(
    predict: Predict, predictor: Any
) -> None:
    written = ["The city council voted on", "The City council voted on", "", "The end"]
    predictor.change = lambda summary: replace(
        summary, candidates=[Candidate(text=text, score=-1.5) for text in written]
    )
    for case, expected in [("sentence", [written[0], written[1], written[3]]),
                           ("title", ["The City Council Voted On", "The End"])]:  # fmt: skip
        (prediction,) = (await predict(candidates=4, case=case)).json()["predictions"]
        assert [found["summary"] for found in prediction["candidates"]] == expected


async def test_without_others_there_is_no_list_of_candidates(predict: Predict) -> None:
    (prediction,) = (await predict(candidates=1)).json()["predictions"]
    assert "candidates" not in prediction


async def test_more_candidates_than_the_models_beams_widen_the_search(
    predict: Predict, predictor: Any
) -> None:
    for fields in ({"candidates": 5}, {"candidates": 2}, {"candidates": 2, "num_beams": 2}):
        await predict(**fields)
    assert [options.num_beams for _, options in predictor.calls] == [5, 4, 2]


async def test_warnings_name_what_is_wrong_with_text_and_summary(
    predict: Predict, predictor: Any
) -> None:
    predictor.change = lambda summary: replace(summary, log_probs=summary.log_probs - 9)
    body = (await predict(inputs=["Один два три", "Short text."])).json()
    assert [prediction["warnings"] for prediction in body["predictions"]] == [
        ["very_short_input", "not_english", "low_confidence"],
        ["very_short_input", "low_confidence"],
    ]


@pytest.mark.parametrize(
    ("unit", "encoding", "width"),
    [("code_point", "utf-32-le", 4), ("utf16", "utf-16-le", 2), ("utf8", "utf-8", 1)],
)
@pytest.mark.parametrize("case", ["sentence", "title"])
async def test_words_without_support_have_their_places(
    predict: Predict, predictor: Any, unit: str, encoding: str, width: int, case: str
) -> None:
    written = "\ufb01ne \U0001f600 Vexley gives 99 trams"  # a capital of the ligature is longer
    predictor.change = lambda summary: replace(summary, text=written)
    (prediction,) = (await predict(offset_unit=unit, case=case)).json()["predictions"]
    assert prediction["warnings"] == ["unsupported_words"]
    encoded = prediction["summary"].encode(encoding)
    found = [
        (encoded[width * word["start"] : width * word["end"]].decode(encoding), word["kind"])
        for word in prediction["unsupported_words"]
    ]
    assert found == [("Vexley", "name"), ("99", "number")]
    assert [word["text"] for word in prediction["unsupported_words"]] == ["Vexley", "99"]


async def test_a_harmless_request_id_is_kept(client: httpx.AsyncClient, text: str) -> None:
    response = await client.post(
        "/predict", json={"inputs": text}, headers={"X-Request-Id": "job-1.a_B"}
    )
    assert response.headers["x-request-id"] == response.json()["id"] == "job-1.a_B"


@pytest.mark.parametrize("bad", ["a b", "x" * 65, '"><script>', "é"])
async def test_another_request_id_is_replaced(client: httpx.AsyncClient, bad: str) -> None:
    response = await client.get("/livez", headers={b"X-Request-Id": bad.encode()})
    assert response.headers["x-request-id"] != bad
    assert len(response.headers["x-request-id"]) == 36


# What is refused


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"inputs": ""}, "inputs must hold text"),
        ({"inputs": " \n\t\u00a0"}, "inputs must hold text"),
        ({"inputs": ["good", " "]}, "inputs[1] must hold text"),
        ({"inputs": []}, "inputs must be a string or a list of 1 to 32 strings"),
        ({"inputs": 7}, "inputs must be a string or a list of 1 to 32 strings"),
        ({"inputs": None}, "inputs must be a string or a list of 1 to 32 strings"),
        ({"inputs": {"a": 1}}, "inputs must be a string or a list of 1 to 32 strings"),
        ({"inputs": ["good", 7]}, "inputs[1] must be a string"),
        ({"inputs": ["good", ["nested"]]}, "inputs[1] must be a string"),
        ({"style": "haiku"}, "style must be one of: headline, tldr"),
        ({"style": 3}, "style should be a valid string"),
        ({"case": "upper"}, "case should be 'sentence' or 'title'"),
        ({"num_beams": 0}, "num_beams should be greater than or equal to 1"),
        ({"num_beams": 9}, "num_beams should be less than or equal to 8"),
        ({"num_beams": "4"}, "num_beams should be a valid integer"),
        ({"num_beams": 4.0}, "num_beams should be a valid integer"),
        ({"num_beams": True}, "num_beams should be a valid integer"),
        ({"max_new_tokens": -1}, "max_new_tokens should be greater than or equal to 1"),
        ({"max_new_tokens": 0}, "max_new_tokens should be greater than or equal to 1"),
        ({"max_new_tokens": 10**9}, "max_new_tokens should be at most 24"),
        ({"max_new_tokens": "5"}, "max_new_tokens should be a valid integer"),
        ({"min_new_tokens": -1}, "min_new_tokens should be greater than or equal to 0"),
        ({"min_new_tokens": 25}, "min_new_tokens should be at most max_new_tokens, which is 24"),
        ({"min_new_tokens": 9, "max_new_tokens": 8}, "at most max_new_tokens, which is 8"),
        ({"length_penalty": -0.1}, "length_penalty should be greater than or equal to 0"),
        ({"length_penalty": 5.1}, "length_penalty should be less than or equal to 5"),
        ({"length_penalty": "1"}, "length_penalty should be a valid number"),
        ({"truncation": "tail"}, "truncation should be 'lead', 'select' or 'error'"),
        ({"attention": "heads"}, "attention should be 'sources', 'matrix' or 'none'"),
        ({"unit": "sentence"}, "unit should be 'token' or 'word'"),
        ({"offset_unit": "bytes"}, "offset_unit should be 'code_point', 'utf16' or 'utf8'"),
        ({"num_beam": 1}, "unknown field; did you mean num_beams?"),
        ({"wholly different": 1}, "unknown field; the fields are inputs, style"),
        ({"key_sentences": -1}, "key_sentences should be greater than or equal to 0"),
        ({"key_sentences": 11}, "key_sentences should be less than or equal to 10"),
        ({"key_sentences": "3"}, "key_sentences should be a valid integer"),
        ({"key_sentences": None}, "key_sentences should be a valid integer"),
        ({"support": True}, "support should be 'strict' or 'loose'"),
        ({"candidates": 0}, "candidates should be greater than or equal to 1"),
        ({"candidates": 6}, "candidates should be less than or equal to 5"),
        ({"candidates": 1.0}, "candidates should be a valid integer"),
        ({"candidates": 3, "num_beams": 2}, "candidates should be at most num_beams: 3 are asked"),
    ],
)
async def test_a_broken_rule_is_named(
    predict: Predict, predictor: Any, fields: dict[str, Any], rule: str
) -> None:
    body = assert_problem(await predict(**fields), 422, "invalid-request")
    assert rule in body["detail"]
    assert predictor.calls == []


async def test_inputs_is_required(client: httpx.AsyncClient) -> None:
    response = await client.post("/predict", json={})
    body = assert_problem(response, 422, "invalid-request")
    assert body["detail"] == (
        "inputs is required: it must be a string or a list of 1 to 32 strings"
    )


@pytest.mark.parametrize("value", [[], "text", 1, None, True])
async def test_the_body_must_be_an_object(client: httpx.AsyncClient, value: Any) -> None:
    response = await client.post(
        "/predict", content=json.dumps(value), headers={"Content-Type": "application/json"}
    )
    body = assert_problem(response, 422, "invalid-request")
    assert body["detail"] == "the body must be a JSON object"


async def test_many_broken_rules_are_summed_up(predict: Predict) -> None:
    names = ["case", "unit", "style", "attention", "truncation", "num_beams"]
    fields: dict[str, Any] = {name: [] for name in names}
    detail = assert_problem(await predict(**fields), 422, "invalid-request")["detail"]
    assert detail.count(";") == 5
    assert detail.endswith("; and 1 more")


async def test_of_very_many_broken_rules_only_some_are_put_into_words(predict: Predict) -> None:
    fields = {f"field {number}": number for number in range(90)}
    detail = assert_problem(await predict(**fields), 422, "invalid-request")["detail"]
    assert detail.endswith("more")


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        (dict.fromkeys(map(str, range(100)), 0), "the body has 101 fields, more than 100"),
        ({"style": dict.fromkeys(map(str, range(101)))}, "style has 101 fields, more than 100"),
        ({"secret": dict.fromkeys(map(str, range(101)))}, "a field has 101 fields, more than 100"),
    ],
)
async def test_an_object_with_very_many_fields_is_refused_unread(
    predict: Predict, fields: dict[str, Any], rule: str
) -> None:
    detail = assert_problem(await predict(**fields), 422, "invalid-request")["detail"]
    assert detail == rule


async def test_no_error_repeats_the_input(predict: Predict) -> None:
    secret = "secret" * 50
    for fields in (
        {secret: 1},
        {"style": secret},
        {"style": secret[:60]},
        {"unit": secret},
        {"inputs": {secret: secret}},
        {"inputs": [secret, 1]},
    ):
        response = await predict(**fields)
        assert response.status_code == 422
        assert "secret" not in response.text


async def test_more_than_32_texts_are_too_many(predict: Predict) -> None:
    assert (await predict(inputs=["text"] * 32)).status_code == 200
    body = assert_problem(await predict(inputs=["text"] * 33), 413, "request-too-large")
    assert body["detail"] == "inputs holds 33 texts, more than 32"


async def test_a_text_with_too_many_characters_is_refused(predict: Predict) -> None:
    assert (await predict(inputs="a" * 2000)).status_code == 200
    response = await predict(inputs=["fine", "a" * 2001])
    body = assert_problem(response, 413, "request-too-large")
    assert body["detail"] == "inputs[1] has 2001 characters, more than 2000"


async def test_a_text_over_the_models_length_may_be_refused(predict: Predict) -> None:
    long = "word " * 100
    response = await predict(inputs=long, truncation="error")
    body = assert_problem(response, 422, "text-too-long")
    assert body["detail"] == "inputs has 101 tokens; the model reads at most 64"
    response = await predict(inputs=["fine", long], truncation="error")
    body = assert_problem(response, 422, "text-too-long")
    assert body["detail"] == "inputs[1] has 101 tokens; the model reads at most 64"


async def test_a_response_with_too_many_weights_is_refused(
    predict: Predict, predictor: Any
) -> None:
    def widen(summary: Any) -> Any:
        columns = 65_536 // len(summary.log_probs) + 1
        attention = np.zeros((len(summary.log_probs), columns), np.float32)
        return replace(summary, attention=attention, source_spans=[None] * columns)

    predictor.change = widen
    assert (await predict()).status_code == 200
    body = assert_problem(await predict(attention="matrix"), 422, "attention-too-large")
    assert '"sources"' in body["detail"]
    assert "65536" in body["detail"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", ["attention", "log_probs", "copy_gate", "copied_share"])
async def test_a_number_that_is_not_finite_never_leaves(
    predict: Predict, predictor: Any, column: str, value: float
) -> None:
    predictor.change = lambda summary: replace(
        summary, **{column: np.full_like(getattr(summary, column), value)}
    )
    assert_problem(await predict(attention="none"), 500, "non-finite-output")


async def test_overload_says_when_to_come_back(predict: Predict, predictor: Any) -> None:
    predictor.error = Overloaded("8 texts wait", retry_after_s=1.2)
    response = await predict()
    body = assert_problem(response, 429, "overloaded")
    assert response.headers["retry-after"] == "2"
    assert body["retry_after_ms"] == 1200


async def test_a_fault_of_ours_shows_nothing_of_its_inside(
    predict: Predict, predictor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    predictor.error = RuntimeError("/secret/path exploded")
    response = await predict()
    assert_problem(response, 500, "internal-error")
    assert "secret" not in response.text
    assert "exploded" in caplog.text
    assert response.headers["x-request-id"] in caplog.text
    predictor.error = None
    assert (await predict()).status_code == 200
