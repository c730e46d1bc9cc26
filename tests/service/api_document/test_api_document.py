"""The committed document is the current one, and a change that breaks clients is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.api_document.__main__ import current_document, main, objections, rendered
from service.api_document.compatibility import breaking_changes

Json = dict[str, Any]

COMMITTED = Path(__file__).parents[3] / "docs/openapi.json"


@pytest.fixture(scope="module")
def document() -> Json:
    return current_document()


def test_no_client_of_the_committed_document_is_broken(document: Json) -> None:
    assert objections(json.loads(COMMITTED.read_text(encoding="utf-8")), document) == []


def test_the_committed_document_is_current(document: Json) -> None:
    current = COMMITTED.read_text(encoding="utf-8") == rendered(document)
    assert current, "docs/openapi.json is old: `make openapi` writes it anew"


def test_the_document_is_the_same_whatever_the_settings(
    document: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUMMARIZER_MAX_BODY_BYTES", "9999")
    monkeypatch.setenv("SUMMARIZER_PORT", "1")
    assert current_document() == document


def test_every_error_of_every_route_is_a_problem(document: Json) -> None:
    schema = {"$ref": "#/components/schemas/Problem"}
    for path in document["paths"].values():
        for operation in path.values():
            errors = {s: a for s, a in operation["responses"].items() if int(s) >= 400}
            assert {"400", "408", "431", "500"} <= errors.keys()
            for answer in errors.values():
                assert answer["content"] == {"application/problem+json": {"schema": schema}}
    predict = document["paths"]["/predict"]["post"]["responses"]
    assert [*predict] == "200 400 408 413 415 422 429 431 500 503".split()
    assert {"/predict", "/livez", "/readyz", "/info", "/metrics"} <= document["paths"].keys()


# Changes, each of one place in a copy of the document


def predict_of(document: Json) -> Json:
    return document["paths"]["/predict"]["post"]


def schema_of(document: Json, name: str) -> Json:
    return document["components"]["schemas"][name]


def field_of(document: Json, schema: str, name: str) -> Json:
    return schema_of(document, schema)["properties"][name]


def number_of(field: Json) -> Json:
    """The branch of an optional field that isn't null."""
    return field["anyOf"][0]


BREAKING: dict[str, tuple[Callable[[Json], object], str]] = {
    "a path is removed": (lambda d: d["paths"].pop("/info"), "GET /info was removed"),
    "a method is removed": (
        lambda d: d["paths"]["/predict"].pop("post"),
        "POST /predict was removed",
    ),
    "a status is removed": (
        lambda d: predict_of(d)["responses"].pop("429"),
        "POST /predict: status 429 was removed",
    ),
    "a media type of an answer is removed": (
        lambda d: d["paths"]["/metrics"]["get"]["responses"]["200"]["content"].pop("text/plain"),
        "GET /metrics: 200: text/plain was removed",
    ),
    "a media type of the request is removed": (
        lambda d: predict_of(d)["requestBody"].update(content={}),
        "POST /predict: application/json was removed",
    ),
    "a field of the request is removed": (
        lambda d: schema_of(d, "PredictRequest")["properties"].pop("style"),
        "POST /predict.style was removed",
    ),
    "a field of the request becomes required": (
        lambda d: schema_of(d, "PredictRequest")["required"].append("style"),
        "POST /predict.style: is required",
    ),
    "a new field of the request is required": (
        lambda d: schema_of(d, "PredictRequest").update(
            required=["inputs", "tone"],
            properties=schema_of(d, "PredictRequest")["properties"] | {"tone": {"type": "string"}},
        ),
        "POST /predict.tone: is required",
    ),
    "a type of the request is narrowed": (
        lambda d: field_of(d, "PredictRequest", "inputs").update(oneOf=[{"type": "string"}]),
        "POST /predict.inputs: type was array and is string",
    ),
    "a number of the request is no longer a fraction": (
        lambda d: number_of(field_of(d, "PredictRequest", "length_penalty")).update(type="integer"),
        "POST /predict.length_penalty: type was number and is integer",
    ),
    "an option of the request is no longer optional": (
        lambda d: field_of(d, "PredictRequest", "num_beams")["anyOf"].pop(),
        "POST /predict.num_beams: type was null and is integer",
    ),
    "a choice of the request is removed": (
        lambda d: field_of(d, "PredictRequest", "unit")["enum"].remove("word"),
        "POST /predict.unit: values are no longer accepted: 'word'",
    ),
    "a choice appears where anything went": (
        lambda d: number_of(field_of(d, "PredictRequest", "style")).update(const="headline"),
        "POST /predict.style: values are no longer accepted: all but the listed",
    ),
    "an upper bound falls": (
        lambda d: number_of(field_of(d, "PredictRequest", "num_beams")).update(maximum=4),
        "POST /predict.num_beams: maximum was 8 and is 4",
    ),
    "an upper bound appears": (
        lambda d: number_of(field_of(d, "PredictRequest", "min_new_tokens")).update(maximum=9),
        "POST /predict.min_new_tokens: maximum was None and is 9",
    ),
    "a lower bound rises": (
        lambda d: number_of(field_of(d, "PredictRequest", "num_beams")).update(minimum=2),
        "POST /predict.num_beams: minimum was 1 and is 2",
    ),
    "a pattern appears": (
        lambda d: number_of(field_of(d, "PredictRequest", "style")).update(pattern="^h"),
        "POST /predict.style: pattern was None and is ^h",
    ),
    "a parameter is required": (
        lambda d: d["paths"]["/info"]["get"].update(
            parameters=[{"in": "query", "name": "v", "required": True, "schema": {}}]
        ),
        "GET /info: parameter query v is required now",
    ),
    "a body is required": (
        lambda d: d["paths"]["/info"]["get"].update(requestBody={"required": True}),
        "GET /info: a body is required now",
    ),
    "a field of the answer is removed": (
        lambda d: schema_of(d, "Prediction")["properties"].pop("attention"),
        "POST /predict: 200.predictions[].attention was removed",
    ),
    "a field of the answer may be missing": (
        lambda d: schema_of(d, "PredictResponse")["required"].remove("usage"),
        "POST /predict: 200.usage: may be missing now",
    ),
    "a type of the answer changes": (
        lambda d: field_of(d, "Usage", "source_tokens").update(type="string"),
        "POST /predict: 200.usage.source_tokens: type was integer and is string",
    ),
    "a number of the answer may be null": (
        lambda d: field_of(d, "Source", "weight").update(type=["number", "null"]),
        "POST /predict: 200.predictions[].attention[].sources[].weight: type was number and is "
        "number or null",
    ),
    "a list of the answer is no longer closed": (
        lambda d: field_of(d, "SourceUse", "offset_unit").pop("enum"),
        "POST /predict: 200.predictions[].source.offset_unit: its values are no longer listed",
    ),
    "a pair of the answer loses one": (
        lambda d: field_of(d, "AttentionMatrix", "shape")["prefixItems"].pop(),
        "shape: has fewer items",
    ),
    "a member of a pair of the answer changes": (
        lambda d: field_of(d, "AttentionMatrix", "shape")["prefixItems"][0].update(type="string"),
        "shape[0]: type was integer and is string",
    ),
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_breaking_change_is_found(document: Json, name: str) -> None:
    change, expected = BREAKING[name]
    new = copy.deepcopy(document)
    change(new)
    found = breaking_changes(document, new)
    assert any(line.endswith(expected) for line in found), found
    assert objections(document, new) == found


COMPATIBLE: dict[str, Callable[[Json], object]] = {
    "nothing": lambda d: None,
    "a path": lambda d: d["paths"].update({"/v2": {"get": {"responses": {}}}}),
    "a status": lambda d: predict_of(d)["responses"].update({"418": {"description": "tea"}}),
    "an optional field of the request": lambda d: schema_of(d, "PredictRequest")[
        "properties"
    ].update(tone={"type": "string"}),
    "a choice of the request": lambda d: field_of(d, "PredictRequest", "unit")["enum"].append("x"),
    "a wider bound": lambda d: number_of(field_of(d, "PredictRequest", "num_beams")).update(
        maximum=16
    ),
    "a bound that is gone": lambda d: number_of(field_of(d, "PredictRequest", "num_beams")).pop(
        "maximum"
    ),
    "an integer that may be a fraction": lambda d: number_of(
        field_of(d, "PredictRequest", "num_beams")
    ).update(type="number"),
    "a type of the request that may be anything": lambda d: schema_of(d, "PredictRequest")[
        "properties"
    ].update(inputs={}),
    "unknown fields that are accepted": lambda d: schema_of(d, "PredictRequest").pop(
        "additionalProperties"
    ),
    "an optional parameter": lambda d: d["paths"]["/info"]["get"].update(
        parameters=[{"in": "query", "name": "v", "schema": {}}]
    ),
    "a field of the answer": lambda d: schema_of(d, "Usage")["properties"].update(
        seconds={"type": "number"}
    ),
    "a field of the answer that is never missing now": lambda d: schema_of(d, "Prediction")[
        "required"
    ].append("attention"),
    "a value in the answer": lambda d: field_of(d, "Prediction", "warnings")["items"][
        "enum"
    ].append("x"),
    "words": lambda d: predict_of(d).update(description="Otherwise said."),
}


@pytest.mark.parametrize("name", COMPATIBLE)
def test_what_may_be_added_breaks_nobody(document: Json, name: str) -> None:
    new = copy.deepcopy(document)
    COMPATIBLE[name](new)
    assert breaking_changes(document, new) == []


def document_with(parameters: list[Json], schemas: Json) -> Json:
    operation = {"parameters": parameters, "responses": {}}
    return {"paths": {"/x": {"get": operation}}, "components": {"schemas": schemas}}


def test_parameters_are_compared_too() -> None:
    wide = {"in": "query", "name": "v", "schema": {"type": "integer"}}
    narrow = wide | {"schema": {"type": "integer", "minimum": 1}}
    old, new = document_with([wide], {}), document_with([narrow], {})
    assert breaking_changes(old, new) == ["GET /x: query v: minimum was None and is 1"]
    assert breaking_changes(new, old) == []
    assert breaking_changes(old, document_with([], {})) == ["GET /x: parameter query v was removed"]


def test_a_schema_that_holds_itself_is_compared_once() -> None:
    def tree(value: str) -> Json:
        reference = {"$ref": "#/components/schemas/Tree"}
        node = {
            "type": "object",
            "properties": {
                "value": {"type": value},
                "left": reference,
                "right": {"anyOf": [reference, {"type": "null"}]},
            },
        }
        return document_with([{"in": "query", "name": "v", "schema": reference}], {"Tree": node})

    assert breaking_changes(tree("string"), tree("string")) == []
    found = breaking_changes(tree("string"), tree("integer"))
    assert found == ["GET /x: query v.value: type was string and is integer"]


def test_unknown_fields_that_were_accepted_must_stay_accepted() -> None:
    def of(**schema: Any) -> Json:
        return document_with(
            [{"in": "query", "name": "v", "schema": {"type": "object"} | schema}], {}
        )

    found = breaking_changes(of(), of(additionalProperties=False))
    assert found == ["GET /x: query v: unknown fields are no longer accepted"]


# The version and the file


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        ("0.1.0", "0.1.1", True),
        ("0.1.0", "0.2.0", False),
        ("0.9.0", "1.0.0", False),
        ("1.2.0", "1.3.0", True),
        ("1.2.0", "2.0.0", False),
        ("2.0.0", "1.0.0", True),
    ],
)
def test_the_version_may_announce_a_break(
    document: Json, old: str, new: str, refused: bool
) -> None:
    before, after = copy.deepcopy(document), copy.deepcopy(document)
    before["info"]["version"], after["info"]["version"] = old, new
    del after["paths"]["/info"]
    assert bool(objections(before, after)) == refused


def test_the_file_is_written_unless_that_breaks_somebody(
    document: Json, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "openapi.json"
    assert main([str(path)]) == 0
    assert json.loads(path.read_text(encoding="utf-8")) == document
    older = copy.deepcopy(document)
    del older["paths"]["/livez"]
    path.write_text(rendered(older), encoding="utf-8")
    assert main([str(path)]) == 0
    assert "/livez" in path.read_text(encoding="utf-8")
    older["paths"]["/gone"] = document["paths"]["/livez"]
    path.write_text(rendered(older), encoding="utf-8")
    assert main([str(path)]) == 1
    assert "GET /gone was removed" in capsys.readouterr().err
    assert "/gone" in path.read_text(encoding="utf-8")
