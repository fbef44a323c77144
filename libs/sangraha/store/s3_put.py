"""One body of known size on its way into an S3 bucket: in a single request, as it comes.

The server keeps nothing of a request that breaks off, so there is nothing to note or to abandon.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor
from enum import Enum, auto
from queue import SimpleQueue
from typing import Any, Final

from sangraha.errors import StoreUnavailable
from sangraha.store.s3_requests import S3Requests
from sangraha.store.source import CHUNK_BYTES

MAX_BYTES: Final = 5 * 1024**3
"""S3 takes no more in one request."""
SILENCE_SECONDS: Final = 4.0
"""Servers give up on a request of which nothing came for a while (MinIO after 30 s)."""
_AHEAD: Final = 2


class _Last(Enum):
    """What may come after the pieces."""

    END = auto()
    GIVEN_UP = auto()


class S3Put:
    """Takes the body, of exactly `size` bytes, chunk by chunk; a thread sends it, some MiB behind.

    Some of it, if only a byte, is held back until `finish`: the server never has a body that may
    still be refused. After `write` or `finish` raised anything, or was cancelled, `discard` removes
    all traces; `delete` is that of the store.
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
        self._pieces = SimpleQueue[list[bytes] | _Last]()
        self._behind = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._loop = asyncio.get_running_loop()
        self._is_whole = False
        self._sending: asyncio.Future[None] | None = None
        self._silence: asyncio.TimerHandle | None = None

    async def write(self, chunk: bytes) -> None:
        """Take more of the body; waits while the server is behind. Raises StoreUnavailable."""
        if chunk and self._gathered_bytes >= CHUNK_BYTES:
            await self._send()
            self._break_silence_later()
        self._gather(chunk)

    async def finish(self) -> None:
        """Make the body visible. Raises StoreUnavailable."""
        self._stop_waiting()
        sending = await self._send()
        self._is_whole = True
        self._pieces.put(_Last.END)
        await asyncio.shield(sending)

    async def discard(self) -> None:
        """Leave nothing. Raises StoreUnavailable: then the body may be there."""
        self._stop_waiting()
        # What is whole already is let end: the server could make it visible after the delete.
        self._pieces.put(_Last.GIVEN_UP)
        if self._sending is not None:
            await asyncio.gather(self._sending, return_exceptions=True)
        if self._is_whole:
            await self._delete(self._key)

    def _gather(self, chunk: bytes) -> None:
        self._gathered.append(chunk)
        self._gathered_bytes += len(chunk)

    async def _send(self) -> asyncio.Future[None]:
        sending = self._sending = self._sending or self._begun()
        room = asyncio.ensure_future(self._has_room.wait())
        either: list[asyncio.Future[Any]] = [room, sending]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                # It has not had all of the body: it can only have failed.
                sending.result()
        finally:
            room.cancel()
        self._hand_over(self._gathered)
        self._gathered, self._gathered_bytes = [], 0
        return sending

    def _begun(self) -> asyncio.Future[None]:
        return self._loop.run_in_executor(
            self._threads, self._requests.put_body, self._key, self._size, self._taken()
        )

    def _hand_over(self, piece: list[bytes]) -> None:
        self._behind += 1
        if self._behind >= _AHEAD:
            self._has_room.clear()
        self._pieces.put(piece)

    def _caught_up(self) -> None:
        self._behind -= 1
        self._has_room.set()

    def _break_silence_later(self) -> None:
        self._stop_waiting()
        self._silence = self._loop.call_later(SILENCE_SECONDS, self._break_silence)

    def _break_silence(self) -> None:
        """Send half of what is there: whoever sends it is slow, and may pause for long."""
        half = self._gathered_bytes // 2
        if half and not self._behind:
            start = b"".join(self._gathered)
            self._gathered, self._gathered_bytes = [], 0
            self._hand_over([start[:half]])
            self._gather(start[half:])
        self._break_silence_later()

    def _stop_waiting(self) -> None:
        if self._silence is not None:
            self._silence.cancel()

    def _taken(self) -> Iterator[bytes]:
        """What is to be sent, in the thread that sends it."""
        while not isinstance(piece := self._pieces.get(), _Last):
            yield from piece
            self._loop.call_soon_threadsafe(self._caught_up)
        if piece is _Last.GIVEN_UP:
            raise StoreUnavailable("The store failed: the upload was given up")
