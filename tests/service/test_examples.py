"""What the API's document shows is true."""

from __future__ import annotations

import pytest

from service.examples import REQUEST_EXAMPLES, RESPONSE_EXAMPLE, TEXT
from service.request_body import check_request
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
