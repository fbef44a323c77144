"""Admission: how much is written and read at a time. What would be more is refused at the door.

Refusing costs little, and the client is told when to come again. Taking everything in would cost
memory without end, and make all who were let in wait for each other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from sangraha.errors import Overloaded
from sangraha.http.problems import problem_response
from sangraha.metrics import Metrics

MAX_HELD_BYTES: Final = 16 * 1024 * 1024
"""No request has more in memory: forms are sent on as they come, documents are not longer."""

_ADDRESSES: Final = ("/objects", "/buckets")
_READS: Final = frozenset({"GET", "HEAD"})
_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The most requests that write at a time, the most bytes that these have in memory, and the
    most that read. Of a raw body no more than `raw_body_bytes` is in memory.
    """

    writes: int = 1000
    write_bytes: int = 128 * 1024 * 1024
    raw_body_bytes: int = 256 * 1024
    reads: int = 1000


class Admission:
    """Some kind of requests: so many at a time, and so many bytes. One alone is always let in."""

    def __init__(self, kind: str, metrics: Metrics, *, requests: int, size: int) -> None:
        self.kind = kind
        self._most = requests, size
        self._requests = self._bytes = 0
        self._told_requests = metrics.admitted_requests.labels(kind)
        self._told_bytes = metrics.admitted_bytes.labels(kind)
        self.refused = metrics.refused_requests.labels(kind)

    def has_room_for(self, size: int) -> bool:
        """Whether one more may be let in."""
        most_requests, most_bytes = self._most
        has_room = self._requests < most_requests and self._bytes + size <= most_bytes
        return has_room or not self._requests

    @contextmanager
    def admitted(self, size: int) -> Iterator[None]:
        """Let it in, for as long as the context lasts."""
        self._add(1, size)
        try:
            yield
        finally:
            self._add(-1, -size)

    def _add(self, requests: int, size: int) -> None:
        self._requests += requests
        self._bytes += size
        self._told_requests.set(self._requests)
        self._told_bytes.set(self._bytes)


class AdmissionMiddleware:
    """Lets requests about objects and buckets in, until they are answered to the last byte."""

    def __init__(self, app: ASGIApp, limits: Limits, metrics: Metrics) -> None:
        self._app = app
        self._raw_body_bytes = limits.raw_body_bytes
        self._writes = Admission("write", metrics, requests=limits.writes, size=limits.write_bytes)
        self._reads = Admission("read", metrics, requests=limits.reads, size=0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        admission = self._admission_of(scope)
        if admission is None:
            await self._app(scope, receive, send)
            return
        size = self._held_bytes(scope) if admission is self._writes else 0
        if admission.has_room_for(size):
            with admission.admitted(size):
                await self._app(scope, receive, send)
            return
        admission.refused.inc()
        error = Overloaded(f"too many {admission.kind}s are on their way; please try again")
        exchange_id = scope.get("state", {}).get("exchange_id")
        await problem_response(error.problem(), exchange_id=exchange_id)(scope, receive, send)

    def _admission_of(self, scope: Scope) -> Admission | None:
        if scope["type"] != "http" or not scope["path"].startswith(_ADDRESSES):
            return None
        if scope["method"] in _WRITES:
            return self._writes
        return self._reads if scope["method"] in _READS else None

    def _held_bytes(self, scope: Scope) -> int:
        """How much of its body will be in memory, at most."""
        headers = Headers(scope=scope)
        most = self._raw_body_bytes if scope["method"] == "PUT" else MAX_HELD_BYTES
        if "transfer-encoding" in headers:
            return most
        announced = headers.get("content-length", "0")
        return min(int(announced), most) if announced.isascii() and announced.isdigit() else most
