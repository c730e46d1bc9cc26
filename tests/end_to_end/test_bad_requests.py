"""Rows 1 to 9 of docs/reliability.md: requests that are wrong, sent to a real server process."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end.conftest import LIMIT, RECEIVE_S
from tests.processes import TLS

MEBIBYTE = 2**20

TEXT = (
    "The harbour museum of Linden Bay opens a new hall on Saturday. It shows forty model ships "
    "that a retired rope maker built over thirty years. Entry is free until the end of June."
)

JSON = {"Content-Type": "application/json"}

pytestmark = pytest.mark.timeout(240)  # the first that asks for a trained network waits for it


def assert_problem(answer: httpx.Response, status: int, name: str) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 4096
    body = answer.json()
    assert body["error_type"] == name
    detail: str = body["detail"]
    return detail


def post(url: str, content: bytes) -> httpx.Response:
    return httpx.post(f"{url}/predict", content=content, headers=JSON, timeout=60, verify=TLS)


def predict(url: str, **fields: Any) -> httpx.Response:
    return httpx.post(f"{url}/predict", json=fields, timeout=60, verify=TLS)


@pytest.fixture
def tiny(trained: Path, serve: Callable[[Path], str]) -> str:
    """The address of a service over a trained network."""
    return serve(trained / "artifacts")


# 1 Malformed JSON


def test_row_01_malformed_json_is_a_400_and_leaves_the_connection_usable(faulty: Any) -> None:
    connection = http.client.HTTPConnection(*faulty.address)
    sockets = []
    for body, status in [(b'{"inputs": ', 400), (b'{"inputs": "text"}', 200), (b"{]", 400),
                         (b'{"inputs": "text"}', 200)]:  # fmt: skip
        connection.request("POST", "/predict", body, JSON)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
        sockets.append(connection.sock)
    assert len(set(sockets)) == 1
    connection.close()


# 2 Bodies without end


def peak_memory(pid: int) -> int:
    """Bytes resident at most since `forget_peak`."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="utf-8")


def chunks(size: int) -> Iterator[bytes]:
    piece = b" " * 65_536
    for _ in range(size // len(piece)):
        yield piece


def test_row_02_a_50_mb_body_is_refused_without_growing_memory(faulty: Any) -> None:
    bodies = {"declared": b" " * (50 * MEBIBYTE), "chunked": chunks(50 * MEBIBYTE)}
    with httpx.Client(base_url=faulty.url, timeout=60) as client:
        for _ in range(3):
            client.post("/predict", content=b" " * (LIMIT + 1), headers=JSON)
        for kind, body in bodies.items():
            forget_peak(faulty.pid)
            before = peak_memory(faulty.pid)
            answer = client.post("/predict", content=body, headers=JSON)
            detail = assert_problem(answer, 413, "request-too-large")
            assert detail == f"the body is longer than {LIMIT} bytes"
            assert peak_memory(faulty.pid) - before < 5 * MEBIBYTE, kind
            assert client.post("/predict", json={"inputs": "text"}).status_code == 200


def head(*headers: str) -> bytes:
    lines = ["POST /predict HTTP/1.1", "Host: test", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def raw_answer(connection: socket.socket) -> tuple[int, bytes]:
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, answer.read()


@pytest.mark.parametrize("expect", [(), ("Expect: 100-continue",)])
def test_row_02_a_body_declared_too_long_is_refused_before_it_is_sent(
    faulty: Any, expect: tuple[str, ...]
) -> None:
    with socket.create_connection(faulty.address, timeout=10) as connection:
        connection.sendall(head(f"Content-Length: {50 * MEBIBYTE}", *expect))
        status, body = raw_answer(connection)
    assert status == 413
    assert json.loads(body)["error_type"] == "request-too-large"


def test_row_02_a_chunked_body_is_refused_as_soon_as_it_is_over_the_limit(faulty: Any) -> None:
    with socket.create_connection(faulty.address, timeout=10) as connection:
        connection.sendall(head("Transfer-Encoding: chunked"))
        connection.sendall(b"%x\r\n" % (LIMIT + 1) + b" " * (LIMIT + 1))
        status, body = raw_answer(connection)
    assert status == 413
    assert json.loads(body)["error_type"] == "request-too-large"


def test_row_02_a_body_in_chunks_of_one_byte_is_bounded_too(faulty: Any) -> None:
    body = json.dumps({"inputs": "text"}).encode()
    single = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    with socket.create_connection(faulty.address, timeout=30) as connection:
        connection.sendall(head("Transfer-Encoding: chunked") + single + b"0\r\n\r\n")
        assert raw_answer(connection)[0] == 200
        forget_peak(faulty.pid)
        before = peak_memory(faulty.pid)
        connection.sendall(head("Transfer-Encoding: chunked") + b"1\r\n \r\n" * (LIMIT + 9))
        assert raw_answer(connection)[0] == 413
        assert peak_memory(faulty.pid) - before < 5 * MEBIBYTE


def test_row_02_a_body_that_never_ends_is_given_up(faulty: Any) -> None:
    began = time.monotonic()
    with socket.create_connection(faulty.address, timeout=20) as connection:
        connection.sendall(head("Content-Length: 100") + b'{"inputs":')
        status, body = raw_answer(connection)
        assert status == 408
        assert json.loads(body)["detail"] == f"the request has not arrived within {RECEIVE_S} s"
        assert connection.recv(1) == b""
    assert RECEIVE_S - 1 < time.monotonic() - began < 30


def test_row_02_a_refused_body_that_never_ends_does_not_hold_the_connection(faulty: Any) -> None:
    with socket.create_connection(faulty.address, timeout=20) as connection:
        connection.sendall(head("Transfer-Encoding: chunked"))
        connection.sendall(b"%x\r\n" % (50 * MEBIBYTE) + b" " * (LIMIT + 1))
        assert raw_answer(connection)[0] == 413
        with pytest.raises(OSError, match=r"reset|Broken pipe"):  # noqa: PT012
            for _ in range(200):
                connection.sendall(b" ")
                time.sleep(0.05)


# 3 Nesting


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_row_03_deep_json_is_malformed(faulty: Any, opening: bytes, closing: bytes) -> None:
    depth = LIMIT // 2 // len(opening + closing)
    body = b'{"inputs": ' + opening * depth + b"1" + closing * depth + b"}"
    assert_problem(post(faulty.url, body), 400, "malformed-request")
    assert_problem(post(faulty.url, b"[" * 100_000), 400, "malformed-request")


# 4 Fields


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"input": "text"},
        {"inputs": "text", "extra": 1},
        {"inputs": 7},
        {"inputs": None},
        {"inputs": {"text": "text"}},
        {"inputs": ["text", 7]},
        {"inputs": "text", "num_beams": "4"},
        {"inputs": "text", "style": ["headline"]},
        {"inputs": "text", "x" * 200_000: "y"},
        {"inputs": "text", "style": "x" * 200_000},
        {"inputs": [["x" * 200_000]]},
        {"inputs": "text"} | {f"field {i}": i for i in range(9_000)},
    ],
)
def test_row_04_a_wrong_field_is_a_422_and_the_answer_is_small(
    faulty: Any, fields: dict[str, Any]
) -> None:
    answer = httpx.post(f"{faulty.url}/predict", json=fields)
    assert_problem(answer, 422, "invalid-request")
    assert "xxx" not in answer.text
    assert answer.elapsed.total_seconds() < 0.5  # in which nobody else is answered


def test_row_04_two_megabytes_of_wrong_input_are_not_echoed(faulty: Any) -> None:
    answer = predict(faulty.url, inputs=[{"text": "x" * 2 * MEBIBYTE}])
    assert_problem(answer, 413, "request-too-large")
    assert "xxx" not in answer.text


# 5 Characters


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (rb'{"inputs": "a lone \ud800 surrogate"}', 422),
        (rb'{"inputs": "text", "style": "\udfff"}', 422),
        (rb'{"inputs": "nul \u0000 inside"}', 200),
        (b'{"inputs": "nul \x00 inside"}', 400),
        (b'\xef\xbb\xbf{"inputs": "text"}', 400),
        (rb'{"inputs": "\ufeffa byte order mark"}', 200),
        ('{"inputs": "\u202eright to left\u202c and \u05e9\u05dc\u05d5\u05dd"}'.encode(), 200),
        (b'{"inputs": "invalid \xff\xfe utf-8"}', 400),
        (b'{"inputs": "overlong \xc0\xaf"}', 400),
        (b'{"inputs": "surrogate in utf-8 \xed\xa0\x80"}', 400),
        ('{"inputs": "text", "inputs": "\U0001f600 the last one wins"}'.encode(), 200),
        (b'{"inputs": "text", "num_beams": ' + b"9" * 5000 + b"}", 400),
        (b'{"inputs": "text", "length_penalty": ' + b"9" * 300 + b"}", 422),
        (b'{"inputs": "text", "length_penalty": -1e-999}', 200),
        (b'{"inputs": "text", "length_penalty": 1e999}', 400),
    ],
)
def test_row_05_odd_characters_and_numbers_are_refused_or_handled(
    tiny: str, body: bytes, status: int
) -> None:
    answer = post(tiny, body)
    assert answer.status_code == status, answer.text
    if status == 200:
        prediction = answer.json()["predictions"][0]
        text = json.loads(body)["inputs"]
        assert prediction["source"]["used_end"] == len(text.rstrip())


# 6 Little or foreign text


@pytest.mark.parametrize("text", ["", " ", "\n\t\u00a0\u2003", "\u3000"])
def test_row_06_text_without_text_is_a_422(tiny: str, text: str) -> None:
    detail = assert_problem(predict(tiny, inputs=["fine", text]), 422, "invalid-request")
    assert detail.startswith("inputs[1] must hold text")


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("x", {"very_short_input"}),
        ("!", {"very_short_input"}),
        ("Rain.", {"very_short_input"}),
        ("Городской совет решил построить трамвай до порта к весне", {"not_english"}),
        ("市議会は港までの路面電車を建設することを決定した", {"not_english"}),
    ],
)
def test_row_06_little_or_foreign_text_is_answered_with_warnings(
    tiny: str, text: str, warnings: set[str]
) -> None:
    answer = predict(tiny, inputs=text)
    assert answer.status_code == 200
    assert warnings <= {*answer.json()["predictions"][0]["warnings"]}


# 7 Long text


def test_row_07_a_long_text_is_cut_and_its_offsets_stop_at_the_cut(tiny: str) -> None:
    answer = predict(tiny, inputs=TEXT * 20, attention="matrix").json()["predictions"][0]
    source = answer["source"]
    assert source["truncated"]
    assert "truncated" in answer["warnings"]
    assert source["tokens"] > source["used_tokens"] == 96
    ends = [end for end in answer["attention"]["source_tokens"]["end"] if end is not None]
    assert max(ends) == source["used_end"] < len(TEXT * 20)


def test_row_07_a_long_text_may_be_refused_with_the_counts(tiny: str) -> None:
    answer = predict(tiny, inputs=[TEXT, TEXT * 20], truncation="error")
    detail = assert_problem(answer, 422, "text-too-long")
    assert re.fullmatch(r"inputs\[\d\] has \d+ tokens; the model reads at most 96", detail)


def test_row_07_a_text_of_too_many_characters_is_refused_before_the_tokenizer(tiny: str) -> None:
    began = time.monotonic()
    answer = predict(tiny, inputs="a" * 200_001)
    assert_problem(answer, 413, "request-too-large")
    assert time.monotonic() - began < 2


# 8 Numbers out of bounds


@pytest.mark.parametrize(
    ("value", "status", "rule"),
    [
        ("-1", 422, "max_new_tokens should be greater than or equal to 1"),
        ("0", 422, "max_new_tokens should be greater than or equal to 1"),
        ("1000000000", 422, "max_new_tokens should be at most "),
        ("NaN", 400, "the body isn't valid JSON"),
        ('"5"', 422, "max_new_tokens should be a valid integer"),
        ("5.0", 422, "max_new_tokens should be a valid integer"),
        ("true", 422, "max_new_tokens should be a valid integer"),
    ],
)
def test_row_08_a_number_out_of_bounds_is_refused_with_the_bound(
    tiny: str, value: str, status: int, rule: str
) -> None:
    answer = post(tiny, b'{"inputs": "text", "max_new_tokens": %b}' % value.encode())
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(rule)


# 9 Batches


def test_row_09_a_batch_of_none_or_too_many_is_refused(faulty: Any) -> None:
    assert_problem(predict(faulty.url, inputs=[]), 422, "invalid-request")
    assert predict(faulty.url, inputs=["text"] * 32).status_code == 200
    detail = assert_problem(predict(faulty.url, inputs=["x"] * 33), 413, "request-too-large")
    assert detail == "inputs holds 33 texts, more than 32"


def test_row_09_admission_counts_texts_and_not_requests(faulty: Any) -> None:
    """64 texts may wait: a third request of 32 is too many, though only three are waiting."""
    requests = [[f"dawdle {request} {text}" for text in range(32)] for request in range(4)]
    with ThreadPoolExecutor(4) as pool:
        slow = []
        for texts in requests:
            slow.append(pool.submit(predict, faulty.url, inputs=texts))
            time.sleep(0.1)
        refused = predict(faulty.url, inputs=["one more", *requests[0][1:]])
        assert_problem(refused, 429, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        statuses = [future.result().status_code for future in slow]
        assert statuses[:2] == [200, 200]
        assert set(statuses) <= {200, 429}
    assert predict(faulty.url, inputs="one more").status_code == 200
