"""What a request leaves open is the model's to say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from service.options import options_of
from service.schemas import PredictRequest
from tests.service.conftest import INFO, TEXT

LOOSE = replace(INFO, loose_styles=("tldr",))


@pytest.mark.parametrize(
    ("fields", "support"),
    [
        ({}, "strict"),
        ({"style": "tldr"}, "loose"),
        ({"support": "loose"}, "loose"),
        ({"style": "tldr", "support": "strict"}, "strict"),
    ],
)
def test_support_is_the_styles_unless_the_request_says(
    fields: dict[str, Any], support: str
) -> None:
    request = PredictRequest.model_validate({"inputs": TEXT, **fields})
    assert options_of(request, LOOSE).support == support


def test_every_style_is_strict_unless_the_model_says() -> None:
    request = PredictRequest.model_validate({"inputs": TEXT, "style": "tldr"})
    assert options_of(request, INFO).support == "strict"
