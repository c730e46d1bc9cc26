"""What the API's document shows is true."""

from __future__ import annotations

import pytest

from service.examples import REQUEST_EXAMPLES, RESPONSE_EXAMPLE, TEXT
from service.explanation import examples as explain_examples
from service.explanation.schemas import ExplainRequest, ExplainResponse
from service.http.request_body import check_as, check_request
from service.schemas import PredictResponse


@pytest.mark.parametrize("name", REQUEST_EXAMPLES)
def test_a_request_example_breaks_no_rule(name: str) -> None:
    check_request(REQUEST_EXAMPLES[name]["value"], max_characters=10_000)


def test_the_response_example_fits_its_schema_and_its_texts() -> None:
    PredictResponse.model_validate(RESPONSE_EXAMPLE, extra="forbid")
    (prediction,) = RESPONSE_EXAMPLE["predictions"]
    assert prediction["source"]["used_end"] == len(TEXT)
    for entry in prediction["attention"]:
        assert entry["token"] == prediction["summary"][entry["start"] : entry["end"]]
        total = entry["rest"] + sum(source["weight"] for source in entry["sources"])
        assert total == pytest.approx(1)
        for source in entry["sources"]:
            assert source["token"] == TEXT[source["start"] : source["end"]]


@pytest.mark.parametrize("name", explain_examples.REQUEST_EXAMPLES)
def test_an_example_of_explain_breaks_no_rule(name: str) -> None:
    check_as(ExplainRequest, explain_examples.REQUEST_EXAMPLES[name]["value"], 10_000)


def test_the_example_of_an_explanation_fits_its_schema_and_its_texts() -> None:
    example = explain_examples.RESPONSE_EXAMPLE
    ExplainResponse.model_validate(example, extra="forbid")
    (prediction,) = example["predictions"]
    units = prediction["source_units"]
    for token, start, end in zip(units["token"], units["start"], units["end"], strict=True):
        assert TEXT[start:end] == token
    rows = prediction["explanations"][0]["rows"]
    for row in rows:
        total = row["rest"] + sum(source["weight"] for source in row["sources"])
        assert total == pytest.approx(1)
