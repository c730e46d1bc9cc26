"""`/docs` and `/redoc` as a person sees them, in a browser that reaches no other host."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watched, assert_clean, keep_picture

OPERATIONS = [
    "/predict",
    "/explain",
    "/explain/{explanation_id}",
    "/explain/{explanation_id}",
    "/livez",
    "/readyz",
    "/info",
    "/metrics",
]


def test_docs_lists_every_operation_and_asks_no_other_host(watched: Watched) -> None:
    page = watched.open("/docs")
    expect(page.locator(".opblock-summary-path")).to_have_text(OPERATIONS)
    expect(page.locator(".info .title")).to_contain_text("attention-summarizer")
    page.wait_for_load_state("networkidle")
    keep_picture(page, "docs")
    assert_clean(watched)


@pytest.mark.parametrize(
    ("request_body", "status", "shown"),
    [
        ({"inputs": "The city council voted to build a tram line."}, "200", '"predictions"'),
        ({"inputs": ["good", ""]}, "422", "inputs[1] must hold text: it is empty or blank"),
        ({"inputs": "overflow"}, "500", '"error_type": "non-finite-output"'),
    ],
)
def test_try_it_out_shows_the_answer_of_predict(
    watched: Watched, request_body: dict[str, Any], status: str, shown: str
) -> None:
    page = watched.open("/docs")
    operation = page.locator("#operations-summaries-predict")
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.locator("textarea.body-param__text").fill(json.dumps(request_body))
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response")
    expect(answer.locator(".response-col_status")).to_contain_text(status)
    expect(answer.locator(".response-col_description")).to_contain_text(shown)
    answer.scroll_into_view_if_needed()
    keep_picture(page, f"try-it-out-{status}")
    assert_clean(watched)


def test_try_it_out_starts_from_an_example_that_works(watched: Watched) -> None:
    page = watched.open("/docs")
    operation = page.locator("#operations-summaries-predict")
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Try it out").click()
    expect(operation.locator("textarea.body-param__text")).to_have_value(re.compile('"inputs"'))
    operation.get_by_role("button", name="Execute").click()
    status = operation.locator(".live-responses-table .response .response-col_status")
    expect(status).to_contain_text("200")
    assert_clean(watched)


def test_redoc_describes_every_operation_and_asks_no_other_host(watched: Watched) -> None:
    page = watched.open("/redoc")
    for summary in (
        "Summarize texts and show where every word came from",
        "Metrics for Prometheus",
    ):
        expect(page.get_by_role("heading", name=summary)).to_be_visible()
    page.wait_for_load_state("networkidle")
    keep_picture(page, "redoc")
    assert_clean(watched)
