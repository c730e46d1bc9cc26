"""From bytes to a request: formats, sizes and what JSON may hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.errors import MalformedRequest, RuleBroken
from service.http.request_body import check_request, parse_json
from service.settings import Settings

JSON = {"Content-Type": "application/json"}


async def post(
    client: httpx.AsyncClient, content: bytes | AsyncIterator[bytes], **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post("/predict", content=content, headers=JSON | named)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json; charset=utf-8",
     'application/json;charset="UTF-8"'],
)  # fmt: skip
async def test_json_is_accepted(client: httpx.AsyncClient, content_type: str) -> None:
    response = await client.post(
        "/predict", content=b'{"inputs": "text"}', headers={"Content-Type": content_type}
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json",
     "application/json; charset=latin-1", "application/jsonp", ""],
)  # fmt: skip
async def test_another_content_type_is_refused(
    client: httpx.AsyncClient, content_type: str
) -> None:
    response = await client.post(
        "/predict", content=b'{"inputs": "text"}', headers={"Content-Type": content_type}
    )
    assert response.status_code == 415
    assert "Content-Type" in response.json()["detail"]


async def test_a_missing_content_type_is_named(client: httpx.AsyncClient) -> None:
    response = await client.post("/predict", content=b'{"inputs": "text"}')
    assert response.status_code == 415
    assert response.json()["error_type"] == "unsupported-media-type"
    assert "Content-Type header is missing" in response.json()["detail"]


async def test_a_compressed_body_is_refused(client: httpx.AsyncClient) -> None:
    response = await post(client, b"\x1f\x8b", Content_Encoding="gzip")
    assert response.status_code == 415
    assert "Content-Encoding" in response.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [b"", b"  \n", b"{", b'{"inputs": "text"', b'{"inputs": "text"} x', b"{'inputs': 'text'}",
     b'\xef\xbb\xbf{"inputs": "text"}', b'{"inputs": "\xff"}', b'{"inputs": "\x00"}',
     b'{"inputs": "text", "length_penalty": NaN}', b'{"length_penalty": Infinity}',
     b'{"length_penalty": 1e999}', b'{"num_beams": ' + b"9" * 3000 + b"}",
     b"[" * 1500 + b"]" * 1500, b'{"inputs":' * 300 + b"1" + b"}" * 299],
)  # fmt: skip
async def test_what_is_no_json_is_malformed(client: httpx.AsyncClient, body: bytes) -> None:
    response = await post(client, body)
    assert response.status_code == 400
    assert response.json()["error_type"] == "malformed-request"
    assert len(response.content) < 4096


@pytest.mark.parametrize("depth", [1_025, 100_000])
def test_deep_nesting_is_malformed_and_cheap(depth: int) -> None:
    for opening, closing in [(b"[", b"]"), (b'{"a":', b"}")]:
        with pytest.raises(MalformedRequest):
            parse_json(opening * depth + b"1" + closing * depth)


async def test_moderate_nesting_is_only_a_broken_rule(client: httpx.AsyncClient) -> None:
    response = await post(client, b'{"inputs":' + b"[" * 900 + b"]" * 900 + b"}")
    assert response.status_code == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (rb'{"inputs": "\ud800"}', "inputs"),
        (rb'{"inputs": "a \udfff b"}', "inputs"),
        (rb'{"inputs": ["fine", "\ud800\u0041"]}', "inputs[1]"),
    ],
)
async def test_half_a_surrogate_pair_breaks_a_rule_of_its_field(
    client: httpx.AsyncClient, body: bytes, field: str
) -> None:
    response = await post(client, body)
    assert response.status_code == 422
    assert response.json()["detail"].startswith(f"{field} holds half a surrogate pair")


@pytest.mark.parametrize(
    "body",
    [rb'{"inputs": "\ud800"', rb'{"inputs": "\ud800", "num_beams": NaN}',
     rb'{"inputs": "\ud800", "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"],
)  # fmt: skip
def test_half_a_surrogate_pair_opens_no_way_around_the_parser(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        parse_json(body)


@pytest.mark.parametrize("name", ["style", "unit", "\ud800"])
def test_half_a_surrogate_pair_elsewhere_is_refused_too(name: str) -> None:
    with pytest.raises(RuleBroken):
        check_request({"inputs": "text", name: "\ud800"}, 100)


@pytest.mark.parametrize(
    "text",
    ["\ufeffword", "nul \x00 inside", "\u202eright to left", "👩‍👩‍👧 family", "a\r\nb", "日本語"],
)
async def test_unusual_text_is_text(client: httpx.AsyncClient, text: str) -> None:
    response = await client.post("/predict", json={"inputs": text})
    assert response.status_code == 200


async def test_a_body_declared_too_long_is_refused_unread(client: httpx.AsyncClient) -> None:
    was_read = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal was_read
        was_read = True
        yield b"{}"

    response = await post(client, body(), Content_Length="4097")
    assert response.status_code == 413
    assert response.json()["detail"] == "the body is longer than 4096 bytes"
    assert not was_read


async def test_a_chunked_body_is_read_no_further_than_the_limit(client: httpx.AsyncClient) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1024
            yield b"x" * 1024

    response = await post(client, chunks())
    assert response.status_code == 413
    assert sent <= 4096 + 2 * 1024


async def test_a_body_of_single_bytes_within_the_limit_is_read(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for byte in b'{"inputs": "text"}':
            yield bytes([byte])

    assert (await post(client, chunks())).status_code == 200


async def test_a_body_has_a_time_to_arrive(predictor: Any) -> None:
    async def forever() -> AsyncIterator[bytes]:
        yield b'{"inputs":'
        await asyncio.Event().wait()

    settings = Settings().model_copy(update={"receive_timeout_s": 0.05})

    async def load(_: Settings) -> Any:
        return predictor

    app = create_app(settings, load)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        await app.state.slot.settled.wait()
        response = await post(client, forever())
    assert response.status_code == 408
    assert response.json()["error_type"] == "request-timeout"
    assert response.headers["connection"] == "close"


async def test_a_body_of_exactly_the_limit_is_read(client: httpx.AsyncClient) -> None:
    body = b'{"inputs": "text"}'
    assert (await post(client, body.ljust(4096))).status_code == 200
    assert (await post(client, body.ljust(4097))).status_code == 413
