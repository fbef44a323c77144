"""Large bodies past the server: threads move them between connection and store by themselves.

On the event loop each byte is copied several times under the interpreter's lock. Go's net/http and
Rack call it hijacking; ASGI has no word for it, so it is an extension of our own in the scope,
which protocol.py offers. Where it cannot be had, bodies go the usual way.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol

from starlette.requests import Request
from starlette.types import Scope

from sangraha.http.socket_body import SocketBody
from sangraha.http.socket_sink import SocketSink

EXTENSION: Final = "sangraha.hijack"


class Hijack(Protocol):
    """What the scope offers for one request."""

    def begin_body(self) -> SocketBody | None:
        """What is left of its body, which the server does not read now; None where it has to."""

    def end_body(self) -> None:
        """Give the connection back, with what was not read."""

    def can_answer(self) -> bool:
        """Whether the answer's content may be sent past the server."""

    async def begin_answer(self, *, stall_seconds: float) -> SocketSink:
        """Where to send it, once the head is out. Raises ClientDisconnect."""

    def end_answer(self) -> None:
        """Give the connection back; what was sent counts as content."""


def hijack_of(scope: Scope) -> Hijack | None:
    """None where another server runs the app."""
    hijack: Hijack | None = scope.get("extensions", {}).get(EXTENSION)
    return hijack


@asynccontextmanager
async def hijacked(request: Request) -> AsyncIterator[SocketBody | None]:
    """The rest of the body, for as long as the context lasts; None where the server has to read it:
    where it comes in chunks, through TLS, or is there already.

    No thread may be reading when the context ends. What it did not read is the server's again.
    """
    hijack = hijack_of(request.scope)
    body = hijack.begin_body() if hijack else None
    if hijack is None or body is None:
        yield None
        return
    try:
        yield body
    finally:
        hijack.end_body()
        if not (body.left or body.is_broken):
            # That nothing is left is told like any other end of a body, refused or not.
            async for _ in request.stream():
                pass
