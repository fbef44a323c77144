"""One connection: uvicorn's httptools protocol, with bounds and refusals of our own.

It takes no Upgrade, bounds the header section in bytes and in time, ends stalled bodies and
refuses as problems. What requests mean, and how bodies are bounded, is the app's.
"""

import asyncio
import logging
from typing import ClassVar, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from sangraha.errors import HeadersTooLarge, MalformedRequest, RequestTimeout, SangrahaError
from sangraha.http.problems import problem_response

logger = logging.getLogger(__name__)

MAX_HEADER_BYTES: Final = 64 * 1024
LINGER_SECONDS: Final = 5.0


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

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self._set_timer(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._unset_keepalive_if_required()
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
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))

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
