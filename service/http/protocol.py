"""HTTP/1.1 on the wire, with bounds that uvicorn leaves open: the size of a head, time, clients.

What can't be handed to the application is answered here, in the same body as everywhere. An
answer to a client that still sends is followed by a moment of reading on: closing at once would
reset the connection, and the reset could overtake the answer.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle
from collections.abc import Callable
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from service.errors import (
    HeadersTooLarge,
    MalformedRequest,
    RequestTimeout,
    ServiceError,
    TooManyConnections,
)
from service.http.connection_limit import ConnectionLimit, available_places
from service.http.problems import problem_response
from service.settings import Settings

OnRefusal = Callable[[ServiceError, str], None]

LINGER_S = 2.0
"""How long a refused client may go on sending before its connection is closed."""

GRACE_S = 2.0
"""How much later than the application, which can answer, the connection gives a body up."""


def http_protocol(settings: Settings, on_refusal: OnRefusal) -> type[BoundedHttpProtocol]:
    """The protocol with the bounds of the settings; uvicorn wants to create it itself.

    Args:
        settings: Every knob.
        on_refusal: Told of each error that is answered here, and of the id in its answer.
    """

    class Protocol(BoundedHttpProtocol):
        limit = ConnectionLimit(available_places(settings.max_connections))
        max_header_bytes = settings.max_header_bytes
        receive_timeout_s = settings.receive_timeout_s
        send_timeout_s = settings.send_timeout_s

        def _tell(self, error: ServiceError, request_id: str) -> None:
            on_refusal(error, request_id)

    return Protocol


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. The attributes of the class are its bounds."""

    limit: ConnectionLimit
    max_header_bytes: int
    receive_timeout_s: float
    send_timeout_s: float

    _deadline: TimerHandle | None = None
    _send_deadline: TimerHandle | None = None
    _error: ServiceError | None = None
    _in_head = False
    _head_began = False
    _head_bytes = 0  # of the request line and the headers that are complete
    _fed_bytes = 0  # since the head began, which one endless header never leaves
    _is_discarding = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has a while to begin."""
        super().connection_made(transport)
        self._set_deadline(self.receive_timeout_s)
        if not self.limit.enter(self):
            self._refuse(TooManyConnections())

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is left to wait for."""
        self.limit.leave(self)
        self._clear_deadline()
        self._clear_send_deadline()
        super().connection_lost(exc)

    def give_way(self) -> None:
        """Ends at once, for another that needs the place."""
        self.transport.abort()

    def pause_writing(self) -> None:
        """The client takes its answer more slowly than it is written."""
        super().pause_writing()
        self._bound_sending()

    def resume_writing(self) -> None:
        """It has caught up, nearly."""
        super().resume_writing()
        self._bound_sending()

    def data_received(self, data: bytes) -> None:
        """Feeds the parser; a head that grows without end is refused while it grows."""
        if self._is_discarding:
            return
        if self._deadline is None:
            self._set_deadline(self.receive_timeout_s)
        self._head_began = False
        super().data_received(data)
        if self._in_head and not self._head_began:
            self._fed_bytes += len(data)
            if self._fed_bytes > self.max_header_bytes:
                self._refuse(self._headers_too_large())

    def on_message_begin(self) -> None:
        """A request begins, and with it the time that it has to arrive."""
        super().on_message_begin()
        self.limit.waits(self)
        self._in_head = self._head_began = True
        self._head_bytes = self._fed_bytes = 0
        self._set_deadline(self.receive_timeout_s)

    def on_url(self, url: bytes) -> None:
        """A piece of the request line."""
        self._head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A complete header."""
        self._head_bytes += len(name) + len(value) + len(b": \r\n")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Starts the application, unless the head is too large."""
        self._in_head = False
        if self._head_bytes > self.max_header_bytes:
            self._error = self._headers_too_large()
            raise self._error  # the parser stops and `send_400_response` is called
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request has arrived."""
        self._clear_deadline()
        super().on_message_complete()
        if not self.cycle.response_complete:
            self.limit.works(self)

    def on_response_complete(self) -> None:
        """The answer is written, if not sent."""
        super().on_response_complete()
        if self.cycle.response_complete:  # else a request that came behind it has begun
            self.limit.waits(self)
        self._bound_sending()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn where the parser has stopped."""
        self._refuse(self._error or MalformedRequest("the bytes received are no HTTP/1.1 request"))

    def _headers_too_large(self) -> HeadersTooLarge:
        return HeadersTooLarge(
            f"the request line and headers are longer than {self.max_header_bytes} bytes"
        )

    def _refuse(self, error: ServiceError) -> None:
        """Answers in place of the application, and takes nothing more."""
        self._is_discarding = True
        self._clear_deadline()
        cycle = self._latest_cycle()
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            cycle.keep_alive = False  # an earlier request is being answered: let that be the last
            return
        if cycle is not None and cycle.more_body:
            if cycle.response_started:  # nobody would read a second answer
                self.transport.close()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        request_id = str(uuid4())
        self._tell(error, request_id)
        self.transport.write(_wire_bytes(error, request_id))
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._deadline = self.loop.call_later(LINGER_S, self.transport.close)

    def _tell(self, error: ServiceError, request_id: str) -> None:
        """Of an answer that the application knows nothing of."""

    def _expire(self) -> None:
        """The time for a request to arrive is over."""
        if self._in_head:
            self._refuse(RequestTimeout(self.receive_timeout_s))
        elif (cycle := self._latest_cycle()) is None or cycle.response_complete:
            self.transport.close()
        elif cycle.more_body:
            self._deadline = self.loop.call_later(GRACE_S, self.transport.close)

    def _bound_sending(self) -> None:
        """Gives the client a while from now to take what is written for it, if it has not yet."""
        self._clear_send_deadline()
        if self.transport.get_write_buffer_size():
            self._send_deadline = self.loop.call_later(self.send_timeout_s, self._give_up_sending)

    def _give_up_sending(self) -> None:
        self._send_deadline = None
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # to close would wait for what is still to be taken

    def _clear_send_deadline(self) -> None:
        if self._send_deadline is not None:
            self._send_deadline.cancel()
            self._send_deadline = None

    def _latest_cycle(self) -> RequestResponseCycle | None:
        """The newest request of which the application was told; uvicorn's type hides the None."""
        return self.cycle

    def _set_deadline(self, seconds: float) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(seconds, self._expire)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _wire_bytes(error: ServiceError, request_id: str) -> bytes:
    response = problem_response(error, request_id)
    response.headers["X-Request-Id"] = request_id
    response.headers["Cache-Control"] = "no-store"
    response.headers["Connection"] = "close"
    head = b"".join(b"%b: %b\r\n" % pair for pair in response.raw_headers)
    return STATUS_LINE[response.status_code] + head + b"\r\n" + bytes(response.body)
