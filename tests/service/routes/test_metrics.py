"""`GET /metrics` over HTTP."""

from __future__ import annotations

import httpx
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families as families


async def test_it_answers_in_the_format_of_prometheus(client: httpx.AsyncClient) -> None:
    response = await client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    names = {family.name for family in families(response.text)}
    assert {"summarizer_requests", "summarizer_ready", "process_resident_memory_bytes"} <= names


async def test_it_answers_in_openmetrics_when_asked(client: httpx.AsyncClient) -> None:
    accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
    response = await client.get("/metrics", headers={"Accept": accept})
    assert response.headers["content-type"].startswith("application/openmetrics-text;")
    assert response.text.endswith("# EOF\n")


async def test_it_answers_before_a_model_is_ready_and_says_so(app: FastAPI) -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        text = (await client.get("/metrics")).text
    assert "\nsummarizer_ready 0.0\n" in text


async def test_it_names_model_and_limits(client: httpx.AsyncClient) -> None:
    text = (await client.get("/metrics")).text
    assert "\nsummarizer_ready 1.0\n" in text
    assert 'summarizer_model_info{device="cpu",name="summarizer"' in text
    assert "\nsummarizer_queue_capacity_texts 64.0\n" in text
