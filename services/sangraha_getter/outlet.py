"""Where a thread puts an answer's content: past the server, once the head is out."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future

from starlette.requests import ClientDisconnect

from sangraha.http.socket_sink import SocketSink


class Outlet:
    """A store's Sink. Before the first piece it has the event loop `begin`; only then is anything
    sent. `sent` are bytes of content. To be made on the event loop.
    """

    def __init__(self, begin: Callable[[], Awaitable[SocketSink]]) -> None:
        self._begin = begin
        self._loop = asyncio.get_running_loop()
        self._beginning: Future[SocketSink] | None = None
        self._sink: SocketSink | None = None
        self._is_cancelled = False

    @property
    def sent(self) -> int:
        """How many bytes of content were sent."""
        return self._sink.sent if self._sink else 0

    def __call__(self, piece: bytes) -> None:
        """Send all of it. Raises ClientDisconnect."""
        if self._sink is None:
            self._sink = self._begun()
            if self._is_cancelled:
                self._sink.cancel()
        self._sink(piece)

    def cancel(self) -> None:
        """End the sending, from any thread: it raises ClientDisconnect."""
        self._is_cancelled = True
        if self._beginning is not None:
            self._beginning.cancel()
        if self._sink is not None:
            self._sink.cancel()

    def _begun(self) -> SocketSink:
        self._beginning = asyncio.run_coroutine_threadsafe(self._made(), self._loop)
        if self._is_cancelled:
            self._beginning.cancel()
        try:
            return self._beginning.result()
        except CancelledError:
            raise ClientDisconnect from None

    async def _made(self) -> SocketSink:
        return await self._begin()
