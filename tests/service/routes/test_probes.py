"""Probes and the framework's own errors; a model that is late, absent or broken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from model.artifact import ArtifactError
from service.app import create_app
from service.predictor import DeviceUnavailable, WorkerHealth
from service.routes.probes import UNABLE_S
from service.settings import Settings
from service.versions.readiness import PATIENCE_S


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        yield client


async def test_a_loaded_service_is_live_and_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).json() == {
        "status": "live",
        "workers": {"expected": 1, "alive": 1, "restarts": 0},
    }
    ready = await client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ready",
        "model": {"name": "summarizer", "version": "7", "sha256": "ab" * 32},
    }


async def test_info_lists_defaults_and_limits(client: httpx.AsyncClient) -> None:
    body = (await client.get("/info")).json()
    assert body["service"] == "attention-summarizer"
    assert body["model"]["styles"] == ["headline", "tldr"]
    assert body["model"]["loose_styles"] == []
    assert body["model"]["max_source_tokens"] == 64
    assert body["model"]["device"] == "cpu"
    assert body["limits"] == {
        "max_inputs": 32,
        "max_input_characters": 2000,
        "max_body_bytes": 4096,
        "max_num_beams": 8,
        "max_candidates": 5,
        "max_key_sentences": 10,
        "max_matrix_cells": 65_536,
    }


async def test_while_the_model_loads_the_process_is_live_but_not_ready(
    settings: Settings, predictor: Any, text: str
) -> None:
    release = asyncio.Event()

    async def load(_: Settings) -> Any:
        await release.wait()
        return predictor

    app = create_app(settings, load)
    async with serving(app) as client:
        assert (await client.get("/livez")).json() == {"status": "live", "workers": None}
        for response in (
            await client.get("/readyz"),
            await client.get("/info"),
            await client.post("/predict", json={"inputs": text}),
        ):
            assert response.status_code == 503
            assert response.json()["detail"] == "the model is being loaded"
            assert response.headers["retry-after"] == "5"
            assert "x-model-version" not in response.headers
        release.set()
        await app.state.slot.settled.wait()
        assert (await client.get("/readyz")).status_code == 200
    assert predictor.closed


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ArtifactError("tokenizer.json has changed"), "tokenizer.json has changed"),
        (DeviceUnavailable("no GPU"), "no GPU"),
        (OSError("/secret/path"), "OSError; the log has the cause"),
    ],
)
async def test_a_model_that_cannot_be_loaded_leaves_the_process_up_and_says_why(
    settings: Settings, text: str, error: Exception, reason: str
) -> None:
    async def load(_: Settings) -> Any:
        raise error

    told: list[Exception] = []
    app = create_app(settings, load, told.append)
    async with serving(app) as client:
        await app.state.slot.settled.wait()
        assert (await client.get("/livez")).status_code == 200
        for response in (
            await client.get("/readyz"),
            await client.post("/predict", json={"inputs": text}),
        ):
            assert response.status_code == 503
            assert response.json()["detail"] == f"no model could be loaded: {reason}"
            assert response.headers["retry-after"] == "30"
    assert told == [error]


async def test_a_failed_load_needs_nobody_to_be_told(settings: Settings) -> None:
    async def load(_: Settings) -> Any:
        raise ArtifactError("absent")

    app = create_app(settings, load)
    async with serving(app) as client:
        await app.state.slot.settled.wait()
        assert (await client.get("/readyz")).status_code == 503


async def test_a_stop_ends_a_load(settings: Settings) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def load(_: Settings) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    app = create_app(settings, load)
    async with serving(app) as client:
        assert (await client.get("/readyz")).json()["detail"] == "the model is being loaded"
        await begun.wait()
    assert ended.is_set()
    response = await client_of(app).get("/readyz")
    assert response.json()["detail"] == "the service is stopping"
    assert app.state.slot.version() is None


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize(
    ("health", "live", "ready", "answers"),
    [
        (WorkerHealth(workers=2, alive=1, restarts=3), 200, 200, 200),
        (WorkerHealth(workers=2, alive=0, restarts=3, unable_s=1), 200, 503, 200),
        (WorkerHealth(workers=2, alive=0, restarts=3, unable_s=PATIENCE_S + 1), 200, 503, 503),
        (WorkerHealth(workers=2, alive=0, restarts=3, unable_s=UNABLE_S + 1), 503, 503, 503),
    ],
)
async def test_row_15_probes_tell_of_lost_workers(
    settings: Settings,
    predictor: Any,
    text: str,
    health: WorkerHealth,
    live: int,
    ready: int,
    answers: int,
) -> None:
    class Losing(type(predictor)):  # type: ignore[misc]
        health = None

    losing = Losing()
    losing.health = health

    async def load(_: Settings) -> Any:
        return losing

    app = create_app(settings, load)
    async with serving(app) as client:
        await app.state.slot.settled.wait()
        answer = await client.get("/livez")
        assert answer.status_code == live
        if live == 200:
            expected = {"expected": 2, "alive": health.alive, "restarts": 3}
            assert answer.json()["workers"] == expected
        assert (await client.get("/readyz")).status_code == ready
        asked = await client.post("/predict", json={"inputs": text})
        assert asked.status_code == answers
        if answers != 200:
            assert asked.headers["retry-after"] == "5"


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/predict", 405, "method-not-allowed"),
        ("POST", "/livez", 405, "method-not-allowed"),
        ("POST", "/predict/", 404, "not-found"),
        ("GET", "/docs/", 404, "not-found"),
        ("GET", "/static/docs/nothing.js", 404, "not-found"),
        ("POST", "/docs", 405, "method-not-allowed"),
    ],
)
async def test_errors_of_the_framework_have_the_same_body(
    client: httpx.AsyncClient, method: str, path: str, status: int, name: str
) -> None:
    response = await client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["error_type"] == name
    if status == 405:
        assert response.headers["allow"]


async def test_the_document_shows_bodies_that_the_service_reads_and_writes_itself(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()
    operation = document["paths"]["/predict"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/PredictRequest"}
    assert operation["responses"].keys() == {
        "200", "400", "408", "413", "415", "422", "429", "431", "500", "503",
    }  # fmt: skip
    for status, response in operation["responses"].items():
        media_type = "application/json" if status == "200" else "application/problem+json"
        assert response["content"].keys() == {media_type}
    fields = document["components"]["schemas"]["PredictRequest"]["properties"]
    assert fields["num_beams"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 8}
    for reference in _references(document):
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for item in node for found in _references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if "$ref" in node else []
    return own + [found for value in node.values() for found in _references(value)]


async def test_the_documents_request_examples_are_accepted(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    for name, example in body["examples"].items():
        response = await client.post("/predict", json=example["value"])
        assert response.status_code == 200, name
