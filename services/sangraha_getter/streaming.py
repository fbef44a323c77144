"""An answer that flows from the store to the client, chunk by chunk.

Starlette's own streaming response cannot fail before its headers are out.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import ClassVar, Final

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sangraha.errors import BodyMissing, SangrahaError
from sangraha.http.hijack import Hijack, hijack_of
from sangraha.http.socket_sink import SocketSink
from sangraha.store.protocol import Sink
from sangraha_getter.outlet import Outlet

STALL_SECONDS: Final = 120.0
"""A client that does not take the next chunk within this time is taken for gone."""

PAST_AT_A_TIME: Final = 512
"""So many answers go past the server, because each holds one of the store's threads for as long as
its client likes."""

Chunks = AsyncGenerator[bytes, None]
Pour = Callable[[Sink], Awaitable[None]]


class StreamedAnswer(Response):
    """`length` bytes of `chunks`, which is called once the answer is to be sent; or all that `pour`
    gives to a sink, where that is known and the server may be passed by.

    What fails before the first chunk is answered as a problem; what fails later cuts the answer
    short of its Content-Length, so that the client can tell (RFC 9112, section 8). No more than one
    chunk waits for a slow client while the next is read.
    """

    _past: ClassVar[int] = 0

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        chunks: Callable[[], Chunks],
        length: int,
        pour: Pour | None = None,
    ) -> None:
        super().__init__(status_code=status, headers={**headers, "Content-Length": str(length)})
        self._chunks = chunks
        self._left = length
        self._pour = pour

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises ClientDisconnect as soon as the client is gone, with the stream closed,
        and what the stream raises.
        """
        hijack = hijack_of(scope)
        has_place = StreamedAnswer._past < PAST_AT_A_TIME
        if self._pour is not None and hijack is not None and has_place and hijack.can_answer():
            sending = asyncio.create_task(self._send_past(self._pour, hijack, send))
        else:
            sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if self._left and not sending.done():
                sending.cancel()
                await asyncio.wait([sending])
                # Whoever has all of it may leave before that is known here.
                if self._left:
                    raise ClientDisconnect
            else:
                await sending
        finally:
            sending.cancel()
            leaving.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send_past(self, pour: Pour, hijack: Hijack, send: Send) -> None:
        async def begin() -> SocketSink:
            await self._send_head(send)
            return await hijack.begin_answer(stall_seconds=STALL_SECONDS)

        outlet = Outlet(begin)
        StreamedAnswer._past += 1
        try:
            await pour(outlet)
        except SangrahaError:
            # Nobody misses what fails after the last byte.
            if outlet.sent < self._left:
                raise
        finally:
            StreamedAnswer._past -= 1
            hijack.end_answer()
            self._left -= outlet.sent
        self._require_all()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        is_started = False
        async with aclosing(self._chunks()) as chunks:
            # The server writes in the background: the next chunk is read meanwhile.
            async for chunk in chunks:
                if not is_started:
                    await self._send_head(send)
                    is_started = True
                more = len(chunk) < self._left
                try:
                    async with asyncio.timeout(STALL_SECONDS):
                        await send({"type": "http.response.body", "body": chunk, "more_body": more})
                except TimeoutError:
                    raise ClientDisconnect from None
                self._left -= len(chunk)
                if not more:
                    # Taken to its end, it was not given up; nobody misses what fails there.
                    with suppress(SangrahaError):
                        await anext(chunks, None)
                    return
        self._require_all()

    def _require_all(self) -> None:
        if self._left:
            raise BodyMissing(f"the store's stream ended {self._left} bytes too early")

    async def _send_head(self, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
