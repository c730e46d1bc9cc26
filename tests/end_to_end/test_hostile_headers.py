"""Row 24 of docs/reliability.md: secrets and injection, tried on a real server process."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

JSON = {"Content-Type": "application/json"}
HEADER_LIMIT = 32_768
TEXT = "the city council"


@pytest.fixture
def client(faulty: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=faulty.url, timeout=30) as client:
        yield client


def predict(client: httpx.Client, headers: Any = None, text: str = TEXT) -> httpx.Response:
    return client.post("/predict", json={"inputs": text}, headers=headers)


def raw_exchange(address: tuple[str, int], request: bytes) -> tuple[int, Any, bytes]:
    """One answer to these bytes, and what follows it until the connection ends."""
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.headers, answer.read()


def assert_refused(address: tuple[str, int], request: bytes, status: int, name: str) -> None:
    found, headers, body = raw_exchange(address, request)
    assert found == status
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert headers["cache-control"] == "no-store"
    problem = json.loads(body)
    assert problem["error_type"] == name
    assert problem["instance"].endswith(headers["x-request-id"])


# The log


def test_row_24_a_text_is_never_logged_and_no_line_of_the_log_is_forged(
    faulty: Any, client: httpx.Client
) -> None:
    forged = '{"level": "critical", "event": "forged"}'
    before = len(faulty.log.read_text(encoding="utf-8").splitlines())
    for text in (f"confidential\n{forged}\n", f"explode confidential\r\n{forged}", "\x1b[2J\u2028"):
        predict(client, text=text)
    predict(client, headers={b"X-Request-Id": b"confidential\t" + forged.encode()})
    predict(client, headers={"User-Agent": f"confidential {forged}"})
    client.get(f"/{forged}%0a{forged}?confidential={forged}")
    client.post("/predict", content=b'{"confidential": 1, "inputs": "forged"}', headers=JSON)
    lines = faulty.log.read_text(encoding="utf-8").splitlines()[before:]
    assert len(lines) >= 7
    for line in lines:
        entry = json.loads(line)
        assert entry["level"] != "critical"
        assert "forged" not in line
        assert "confidential" not in line
        assert line.isascii()


@pytest.mark.parametrize(
    "value",
    ["junk", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "ff-" + "a" * 32 + "-" + "b" * 16 + "-01",
     "00-" + "A" * 32 + "-" + "b" * 16 + "-01", "x" * 8000, "00-\t-\t-", ""],
)  # fmt: skip
def test_row_24_a_junk_traceparent_begins_a_new_trace(client: httpx.Client, value: str) -> None:
    answer = predict(client, headers={"traceparent": value, "tracestate": "=,=" * 100})
    assert answer.status_code == 200
    trace = answer.headers["traceresponse"]
    assert value == "" or value not in trace
    assert len(trace) == 55


# Heads


def test_row_24_a_header_of_8_kb_is_taken(client: httpx.Client) -> None:
    assert predict(client, headers={"X-Long": "x" * 8192}).status_code == 200
    assert predict(client, headers={"X-Request-Id": "x" * 8192}).status_code == 200


def request_with(*headers: bytes, path: bytes = b"/livez") -> bytes:
    return b"\r\n".join([b"GET %b HTTP/1.1" % path, b"Host: test", *headers, b"", b""])


@pytest.mark.parametrize(
    "request_bytes",
    [
        request_with(b"X-Long: " + b"x" * HEADER_LIMIT),
        request_with(b"X-Long: " + b"x" * 1_000_000),
        request_with(*[b"X-%d: many" % number for number in range(5_000)]),
        request_with(b"X" * 100_000 + b": name"),
        request_with(path=b"/" + b"x" * 100_000),
        request_with(path=b"/?" + b"x" * 5_000_000),
        b"GET /livez HTTP/1.1\r\nX-Endless: " + b"x" * 500_000,
    ],
    ids=["long", "longer", "many", "name", "path", "query", "endless"],
)
def test_row_24_a_head_over_the_limit_is_answered_and_closed(
    faulty: Any, request_bytes: bytes
) -> None:
    assert_refused(faulty.address, request_bytes, 431, "headers-too-large")
    assert httpx.get(f"{faulty.url}/livez").status_code == 200


def test_row_24_a_head_just_under_the_limit_is_taken(faulty: Any) -> None:
    request = request_with(b"X-Long: " + b"x" * (HEADER_LIMIT - 100))
    assert raw_exchange(faulty.address, request)[0] == 200


@pytest.mark.parametrize("request_bytes", [b"", b"GET /li", b"GET /livez HTTP/1.1\r\nHost: te"])
def test_row_24_a_head_that_never_ends_is_given_up(faulty: Any, request_bytes: bytes) -> None:
    with socket.create_connection(faulty.address, timeout=20) as connection:
        connection.sendall(request_bytes)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    if request_bytes:
        assert answer.startswith(b"HTTP/1.1 408 ")
    else:
        assert answer == b""  # nothing was asked


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS",
        b"nonsense\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        request_with(b"X-Split: a\r\n b: c\x00"),
        request_with(path="/é".encode("latin-1")),
    ],
)
def test_row_24_what_is_no_http_is_a_400(faulty: Any, request_bytes: bytes) -> None:
    assert_refused(faulty.address, request_bytes, 400, "malformed-request")


def test_row_24_an_earlier_request_is_answered_before_nonsense_ends_the_connection(
    faulty: Any,
) -> None:
    body = json.dumps({"inputs": "dawdle"}).encode()
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    request = head + b"Content-Length: %d\r\n\r\n" % len(body) + body + b"nonsense\r\n\r\n"
    with socket.create_connection(faulty.address, timeout=20) as connection:
        connection.sendall(request)
        answers = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answers.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answers.count(b"HTTP/1.1") == 1
    assert b"connection: close\r\n" in answers.lower()


def test_row_24_forwarded_headers_change_nothing(faulty: Any, client: httpx.Client) -> None:
    headers = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "for=6.6.6.6;host=evil.example",
        "Host": "evil.example",
    }
    for path in ("/livez", "/docs", "/redoc", "/openapi.json"):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 200
        assert "evil" not in answer.text + str(answer.headers)
        assert "6.6.6.6" not in answer.text
    log = faulty.log.read_text(encoding="utf-8")
    assert "6.6.6.6" not in log
    assert "evil" not in log


# Paths


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/static/docs/../../../../../../etc/passwd",
        "/static/docs/..%2f..%2f..%2f..%2f..%2fetc/passwd",
        "/static/docs/%2e%2e/core.py",
        "/static/docs/..%5c..%5ccore.py",
        "/static/docs//etc/passwd",
        "/static/docs/%00",
        "/static/docs/" + "x" * 5000,
        "/static/docs/",
        "/static/docs",
        "/docs/../docs",
        "/predict/../livez",
    ],
)
def test_row_24_no_path_leads_out_of_the_files_that_are_served(faulty: Any, path: str) -> None:
    request = request_with(b"Connection: close", path=path.encode())
    status, headers, body = raw_exchange(faulty.address, request)
    assert status == 404
    assert headers["content-type"] == "application/problem+json"
    assert b"root:" not in body


@pytest.mark.parametrize("style", ["../../etc/passwd", "headline/../tldr", "headline\u0000", "7"])
def test_row_24_a_style_is_a_name_and_not_a_path(client: httpx.Client, style: str) -> None:
    answer = client.post("/predict", json={"inputs": TEXT, "style": style})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "style must be one of: headline, tldr"


# Browsers


def test_row_24_a_preflight_from_another_origin_gets_no_permission(client: httpx.Client) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST",
               "Access-Control-Request-Headers": "content-type"}  # fmt: skip
    preflight = client.options("/predict", headers=headers)
    assert preflight.status_code == 405
    for answer in (preflight, predict(client, headers={"Origin": "https://evil.example"})):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None],
)
def test_row_24_a_form_of_another_site_cannot_post(
    client: httpx.Client, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = client.post("/predict", content=b'{"inputs": "text"}', headers=headers)
    assert answer.status_code == 415
    assert "Content-Type" in answer.json()["detail"]
