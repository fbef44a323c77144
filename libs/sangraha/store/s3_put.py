"""One body of known size on its way into an S3 bucket: in a single request, as it comes.

The server keeps nothing of a request that breaks off, so there is nothing to note or to abandon.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor
from queue import SimpleQueue
from typing import Any, Final

from sangraha.errors import StoreUnavailable
from sangraha.store.s3_requests import S3Requests
from sangraha.store.source import CHUNK_BYTES

MAX_BYTES: Final = 5 * 1024**3
"""S3 takes no more in one request."""
_AHEAD: Final = 2


class S3Put:
    """Takes the body, of exactly `size` bytes, chunk by chunk; a thread sends it, some MiB behind.

    The last MiB is held back until `finish`: the server never has a body that may still be refused.
    After `write` or `finish` raised anything, or was cancelled, `discard` removes all traces;
    `delete` is that of the store.
    """

    def __init__(
        self,
        key: str,
        size: int,
        requests: S3Requests,
        threads: Executor,
        *,
        delete: Callable[[str], Awaitable[None]],
    ) -> None:
        self._key = key
        self._size = size
        self._requests = requests
        self._threads = threads
        self._delete = delete
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._pieces = SimpleQueue[list[bytes] | None]()
        self._room = asyncio.Semaphore(_AHEAD)
        self._loop = asyncio.get_running_loop()
        self._may_be_there = False
        self._given_up = False
        self._sending: asyncio.Future[None] | None = None

    async def write(self, chunk: bytes) -> None:
        """Take more of the body; waits while the server is behind. Raises StoreUnavailable."""
        if chunk and self._gathered_bytes >= CHUNK_BYTES:
            await self._send()
        self._gathered.append(chunk)
        self._gathered_bytes += len(chunk)

    async def finish(self) -> None:
        """Make the body visible. Raises StoreUnavailable."""
        self._may_be_there = True
        sending = await self._send()
        self._pieces.put(None)
        await asyncio.shield(sending)

    async def discard(self) -> None:
        """Leave nothing. Raises StoreUnavailable: then the body may be there."""
        self._given_up = True
        self._pieces.put(None)
        if self._sending is not None:
            await asyncio.gather(self._sending, return_exceptions=True)
        if self._may_be_there:
            await self._delete(self._key)

    async def _send(self) -> asyncio.Future[None]:
        sending = self._sending = self._sending or self._begun()
        room = asyncio.ensure_future(self._room.acquire())
        either: list[asyncio.Future[Any]] = [room, sending]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                # It has not had all of the body: it can only have failed.
                sending.result()
        finally:
            room.cancel()
        self._pieces.put(self._gathered)
        self._gathered, self._gathered_bytes = [], 0
        return sending

    def _begun(self) -> asyncio.Future[None]:
        return self._loop.run_in_executor(
            self._threads, self._requests.put_body, self._key, self._size, self._taken()
        )

    def _taken(self) -> Iterator[bytes]:
        """What is to be sent, in the thread that sends it."""
        while (pieces := self._pieces.get()) is not None:
            yield from pieces
            self._loop.call_soon_threadsafe(self._room.release)
        if self._given_up:
            raise StoreUnavailable("The store failed: the upload was given up")
