"""Row 18 of docs/reliability.md: slow clients, idle ones, and more of them than there are places.

The attackers are sockets of this process; at full size they are in test_floods.py.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.end_to_end.test_lost_workers import SCRIPT, predict, samples, wait_for
from tests.processes import RunningService, running_service, wait_until

PLACES = 20

HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
IDLE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    log = tmp_path_factory.mktemp("many_connections") / "log"
    bounds = {"max_connections": str(PLACES), "receive_timeout_s": "2", "send_timeout_s": "1"}
    with running_service(log, SCRIPT, **bounds) as running:
        wait_until(running, "/readyz", 200)
        yield running


def connected(service: RunningService) -> socket.socket:
    return socket.create_connection(service.address, timeout=20)


def ended(connection: socket.socket) -> bytes:
    """What comes until the other side has closed."""
    try:
        return b"".join(iter(lambda: connection.recv(65_536), b""))
    except ConnectionResetError:
        return b"reset"


@contextmanager
def dripping(service: RunningService, count: int, first: bytes, drop: bytes) -> Iterator[None]:
    """So many clients that send a byte now and then, and come again when they are sent away."""
    stop = threading.Event()

    def drip() -> None:
        connections: list[socket.socket] = []
        while not stop.is_set():
            while len(connections) < count:
                connection = connected(service)
                connection.sendall(first)
                connections.append(connection)
            for connection in list(connections):
                try:
                    connection.sendall(drop)
                except OSError:
                    connections.remove(connection)
                    connection.close()
            stop.wait(0.1)
        for connection in connections:
            connection.close()

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"GET /livez HTTP/1.1\r\nX-Slow: ", b"x"),
        (HEAD + b"Content-Length: 5000\r\n\r\n", b" "),
        (IDLE, b""),
    ],
    ids=["heads", "bodies", "idle"],
)
def test_row_18_slow_clients_on_every_place_harm_nobody(
    service: RunningService, first: bytes, drop: bytes
) -> None:
    with dripping(service, 2 * PLACES, first, drop):
        time.sleep(0.5)
        for number in range(5):
            assert predict(service.url, f"the council {number}").status_code == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [(b"GET /livez HTTP/1.1\r\nX-Slow: ", b"408"), (HEAD + b"Content-Length: 99\r\n\r\n", b"408")],
    ids=["head", "body"],
)
def test_row_18_who_sends_a_byte_now_and_then_is_given_up_in_time(
    service: RunningService, head: bytes, status: bytes
) -> None:
    with connected(service) as connection:
        connection.sendall(head)
        began = time.monotonic()
        connection.settimeout(0.3)
        answer = b""
        while not answer and time.monotonic() < began + 20:
            try:
                answer = connection.recv(4096)
            except TimeoutError:
                connection.sendall(b" ")
    assert answer.startswith(b"HTTP/1.1 " + status)


def test_row_18_a_newcomer_is_turned_away_where_all_are_at_work(service: RunningService) -> None:
    def attempt(number: int) -> tuple[bytes, list[bytes]]:
        """What a newcomer gets beside clients that ask for the same, and what those get."""
        body = json.dumps({"inputs": f"dawdle {number}"}).encode()
        with ExitStack() as stack:
            at_work = [stack.enter_context(connected(service)) for _ in range(PLACES)]
            for connection in at_work:
                connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            time.sleep(0.3)  # until all have arrived, if the machine isn't busy
            answer = ended(stack.enter_context(connected(service)))
            return answer, [connection.recv(12) for connection in at_work]

    answer, others = next(found for found in map(attempt, range(20)) if found[0])
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1\r\n" in answer.lower()
    assert b"too-many-connections" in answer
    assert others == [b"HTTP/1.1 200"] * PLACES
    assert samples(service, "summarizer_errors_total")["too-many-connections"] >= 1


def test_row_18_who_does_not_take_its_answer_is_dropped(service: RunningService) -> None:
    before = descriptors(service)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(service.address)
        wait_for(lambda: descriptors(service) > before)
        with suppress(OSError):  # dropped before all is sent
            for _ in range(80):  # far more of the API's document than fits between the two
                connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: descriptors(service) <= before)


def descriptors(service: RunningService) -> int:
    return len(list(Path(f"/proc/{service.pid}/fd").iterdir()))
