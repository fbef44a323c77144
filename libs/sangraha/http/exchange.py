"""One HTTP exchange: its ids in headers and logs, its time in metrics, its end on a clean socket.

An exchange has an id of its own (X-Request-ID); the operation it asks for has another, which only
an accepted request is shown. X-Correlation-ID and traceparent are the caller's; they are logged
and carried through the queues.
"""

import asyncio
import logging
import re
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sangraha.http.routes import OPERATOR_PATHS
from sangraha.logs import bound
from sangraha.metrics import Metrics

logger = logging.getLogger(__name__)

CLIENT_GONE: Final = 499
"""What logs and metrics say of a client that left before it was answered."""
LINGER_SECONDS: Final = 5.0
LINGER_BYTES: Final = 64 * 1024 * 1024

_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]{0,100})?")


@dataclass(frozen=True, slots=True)
class Tracing:
    """The caller's ids that travel with the request (W3C Trace Context for traceparent)."""

    correlation_id: str | None
    traceparent: str | None


def tracing_of(headers: Headers) -> Tracing:
    """The ids in the request's headers; malformed ones are ignored."""
    correlation_id = headers.get("x-correlation-id", "")
    traceparent = headers.get("traceparent", "")
    return Tracing(
        correlation_id if _ID.fullmatch(correlation_id) else None,
        traceparent if _TRACEPARENT.fullmatch(traceparent) else None,
    )


class ExchangeMiddleware:
    """Outermost ASGI middleware of every service."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        with bound(
            exchange_id=exchange.exchange_id,
            correlation_id=exchange.tracing.correlation_id,
            traceparent=exchange.tracing.traceparent,
        ):
            try:
                await self._app(scope, exchange.receive, exchange.send)
            except ClientDisconnect:
                exchange.status = exchange.status or CLIENT_GONE
                logger.info("the client went away in %s %s", scope["method"], scope["path"])
            finally:
                self._record(scope, exchange)

    def _record(self, scope: Scope, exchange: "_Exchange") -> None:
        if scope["path"] in OPERATOR_PATHS:
            return
        seconds = time.perf_counter() - exchange.started
        route = getattr(scope.get("route"), "name", "unknown")
        self._metrics.http_requests.labels(route, str(exchange.status)).inc()
        self._metrics.http_seconds.labels(route).observe(seconds)
        state = scope.get("state", {})
        logger.info(
            "%s %s %d",
            scope["method"],
            scope["path"],
            exchange.status,
            extra={
                "route": route,
                "status": exchange.status,
                "milliseconds": round(seconds * 1000, 2),
                **({"request_id": str(state["request_id"])} if "request_id" in state else {}),
            },
        )


class _Exchange:
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        self.exchange_id = given if _ID.fullmatch(given) else str(uuid.uuid4())
        self.tracing = tracing_of(headers)
        self.started = time.perf_counter()
        self.status = 0
        self._receive, self._send = receive, send
        self._body_left = (
            headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        )
        scope.setdefault("state", {})["exchange_id"] = self.exchange_id

    async def receive(self) -> Message:
        message = await self._receive()
        if not message.get("more_body", False):
            self._body_left = False
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.exchange_id
            if self.tracing.correlation_id:
                headers["X-Correlation-ID"] = self.tracing.correlation_id
            if self._body_left:
                # What is left of a refused body would be read as the next request.
                headers["Connection"] = "close"
        elif self._body_left and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._discard_body()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _discard_body(self) -> None:
        """Take in what is still on its way, within bounds: closing with bytes unread would reset
        the connection, and the client would never see why it was refused (RFC 9112, section 9.6).
        """
        discarded = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while self._body_left and discarded < LINGER_BYTES:
                    message = await self.receive()
                    discarded += len(message.get("body", b""))
