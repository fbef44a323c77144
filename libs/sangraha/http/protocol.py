"""One connection: uvicorn's httptools protocol, with bounds and refusals of our own.

It takes no Upgrade, bounds the header section in bytes and in time, ends stalled bodies and
refuses as problems. A body may be hijacked (hijack.py). What requests mean, and how bodies are
bounded, is the app's.
"""

import asyncio
import logging
import os
import socket
from contextlib import suppress
from typing import ClassVar, Final

import httptools
from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from sangraha.errors import HeadersTooLarge, MalformedRequest, RequestTimeout, SangrahaError
from sangraha.http.hijack import EXTENSION
from sangraha.http.problems import problem_response
from sangraha.http.socket_body import SocketBody
from sangraha.http.socket_sink import SocketSink

logger = logging.getLogger(__name__)

MAX_HEADER_BYTES: Final = 64 * 1024
LINGER_SECONDS: Final = 5.0
_DRAIN_SECONDS: Final = 0.0005


class HttpProtocol(HttpToolsProtocol):
    """`head_seconds` bounds a header section, `stall_seconds` the silence within a body."""

    head_seconds: ClassVar[float] = 20
    stall_seconds: ClassVar[float] = 30

    _timer: asyncio.TimerHandle | None = None
    _refusal: SangrahaError | None = None
    _in_head = False
    _in_body = False
    # Bytes since the parser last had something to show for them: headers, body or an end.
    _pending_bytes = 0
    # Of a body whose length is known: what has not come yet.
    _body_left: int | None = None
    # Of that, what comes after its head's parser was given up.
    _unparsed = 0
    _hijacked: SocketBody | SocketSink | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self._set_timer(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        if self._hijacked is not None:
            self._hijacked.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._unset_keepalive_if_required()
        if self._unparsed:
            data = self._take_unparsed(data)
        self._pending_bytes += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            ours = error.__context__
            self._refuse(ours if isinstance(ours, SangrahaError) else MalformedRequest())
            return
        if self._pending_bytes > MAX_HEADER_BYTES:
            self._refuse(HeadersTooLarge(max_bytes=MAX_HEADER_BYTES))
        else:
            self._watch()

    def _feed(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                # The parser takes the rest for another protocol; nothing can tell it not to. So
                # a new one is fed the same request without the offer (RFC 9110, section 7.8).
                data = data[upgrade.args[0] :]
            version = self.parser.get_http_version().encode()
            lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
            lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
            self._renew_parser()
            self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    def _renew_parser(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._stop_timer()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers come here, too: they are no headers (RFC 9110, section 6.5.1).
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.url) + sum(len(n) + len(v) + 4 for n, v in self.headers) > MAX_HEADER_BYTES:
            raise HeadersTooLarge(max_bytes=MAX_HEADER_BYTES)
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise MalformedRequest("this is not a proxy")
            return
        self._require_framing()
        if self.parser.get_http_version() == "1.0":
            # Such clients know no interim answers (RFC 9110, section 10.1.1).
            self.expect_100_continue = False
        super().on_headers_complete()
        self._in_head, self._in_body, self._pending_bytes = False, True, 0
        lengths = [int(value) for name, value in self.headers if name == b"content-length"]
        self._body_left = lengths[0] if lengths else None
        self.scope["extensions"] = {EXTENSION: _Hijack(self, self.cycle)}  # type: ignore[dict-item]  # of any kind

    def _require_framing(self) -> None:
        """RFC 9112, sections 3.2 and 6.1: one host, and no coding but chunks, which would be kept
        as if it were the content.
        """
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or (not hosts and self.parser.get_http_version() != "1.0"):
            raise MalformedRequest("the request must have one Host header")
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        if codings and b",".join(codings).strip().lower() != b"chunked":
            raise MalformedRequest("the only Transfer-Encoding that is understood is chunked")

    def on_body(self, body: bytes) -> None:
        self._pending_bytes = 0
        if self._body_left is not None:
            self._body_left -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._in_body, self._pending_bytes = False, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        is_last = not self.pipeline
        super().on_response_complete()
        if self._refusal is not None and is_last:
            self._answer(self._refusal)

    def begin_body(self, cycle: RequestResponseCycle) -> SocketBody | None:
        """What is left of this cycle's body, to be read past the parser; see Hijack.begin_body."""
        is_newest = self.cycle is cycle and self._refusal is None
        if not self._body_left or self._unparsed or not is_newest or not self.can_answer(cycle):
            return None
        self.flow.pause_reading()
        self._stop_timer()
        start, cycle.body = bytes(cycle.body), bytearray()
        cycle.message_event.clear()
        self._hijacked = SocketBody(
            self._connection(), start, self._body_left, stall_seconds=self.stall_seconds
        )
        return self._hijacked

    def end_body(self, cycle: RequestResponseCycle, body: SocketBody) -> None:
        """Go on with what was not read, without the parser: it cannot be told what it missed."""
        self._end_hijack(cycle, body)
        if self.parser is None or body.is_broken:
            return
        self._renew_parser()
        self._body_left = self._unparsed = body.left
        if body.left:
            self._set_timer(self.stall_seconds)
        else:
            self.on_message_complete()

    def can_answer(self, cycle: RequestResponseCycle) -> bool:
        """See Hijack.can_answer. Whatever comes behind this request has to wait for its answer."""
        return (
            self.scheme == "http"
            and not (cycle.disconnected or cycle.waiting_for_100_continue)
            and not self.transport.is_closing()
        )

    async def begin_answer(
        self, cycle: RequestResponseCycle, *, stall_seconds: float
    ) -> SocketSink:
        """Where to send this cycle's content; see Hijack.begin_answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(stall_seconds):
                # The head is written once the loop comes round; what was before it may take longer.
                await asyncio.sleep(0)
                while self.transport.get_write_buffer_size():  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(_DRAIN_SECONDS)
        if self.transport.get_write_buffer_size() or not self.can_answer(cycle):
            raise ClientDisconnect
        self._hijacked = SocketSink(self._connection(), stall_seconds=stall_seconds)
        return self._hijacked

    def end_answer(self, cycle: RequestResponseCycle, sink: SocketSink) -> None:
        """Count what was sent."""
        self._end_hijack(cycle, sink)
        cycle.expected_content_length -= sink.sent

    def _connection(self) -> socket.socket:
        return socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno()))

    def _end_hijack(self, cycle: RequestResponseCycle, hijacked: SocketBody | SocketSink) -> None:
        self._hijacked = None
        hijacked.close()
        if hijacked.is_broken:
            cycle.disconnected = True
            cycle.message_event.set()
            self.transport.abort()

    def _take_unparsed(self, data: bytes) -> bytes:
        """What comes after the body."""
        body = data[: self._unparsed]
        self._unparsed -= len(body)
        self.on_body(body)
        if not self._unparsed:
            self.on_message_complete()
        return data[len(body) :]

    def _watch(self) -> None:
        if self._in_body:
            self._set_timer(self.stall_seconds)
        elif not self._in_head and not self._pending_bytes:
            self._stop_timer()
        elif self._timer is None:
            self._set_timer(self.head_seconds)

    def _set_timer(self, seconds: float) -> None:
        self._stop_timer()
        # Of a client that may not send now nothing can be asked: its time has not begun.
        has_to_wait = self.flow.read_paused or (
            self._in_body and self.cycle.waiting_for_100_continue
        )
        self._timer = self.loop.call_later(seconds, self._expired, has_to_wait)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expired(self, had_to_wait: bool) -> None:
        self._timer = None
        if had_to_wait:
            self._watch()
        elif self._in_body:
            self.transport.abort()
        elif self._in_head:
            self._refuse(RequestTimeout())
        elif self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def _refuse(self, error: SangrahaError) -> None:
        """Answer with a problem and close; what was asked before is answered before."""
        logger.info("refused: %s", error)
        self._stop_timer()
        self._refusal = error
        if self._in_body and self.pipeline:
            # It is the newest of those that wait for their turn.
            self.pipeline.popleft()
        elif self._in_body and self.cycle.response_started:
            self.transport.close()
        elif self._in_body or self.cycle is None or self.cycle.response_complete:
            self._answer(error)

    def _answer(self, error: SangrahaError) -> None:
        if self.transport.is_closing():
            return
        if self._in_body:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        answer = problem_response(error.problem(), {"Connection": "close"})
        headers = [*self.server_state.default_headers, *answer.raw_headers]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[answer.status_code] + lines + b"\r\n" + answer.body)
        # Closing with bytes unread would reset the connection and lose the answer (RFC 9112, 9.6).
        self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)


class _Hijack:
    """Of one request; see hijack.py."""

    def __init__(self, protocol: HttpProtocol, cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._cycle = cycle
        self._body: SocketBody | None = None
        self._sink: SocketSink | None = None

    def begin_body(self) -> SocketBody | None:
        self._body = self._protocol.begin_body(self._cycle)
        return self._body

    def end_body(self) -> None:
        if self._body is not None:
            self._protocol.end_body(self._cycle, self._body)

    def can_answer(self) -> bool:
        return self._protocol.can_answer(self._cycle)

    async def begin_answer(self, *, stall_seconds: float) -> SocketSink:
        self._sink = await self._protocol.begin_answer(self._cycle, stall_seconds=stall_seconds)
        return self._sink

    def end_answer(self) -> None:
        if self._sink is not None:
            self._protocol.end_answer(self._cycle, self._sink)
