"""What is found out about a large body as it passes: its digests, and what it looks like."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from typing import Final

from sangraha.content_types import Watcher
from sangraha.content_types.seen import Seen
from sangraha.http.digests import Digester, Expected
from sangraha.store.protocol import Pieces

LOOK_BYTES: Final = 1024 * 1024
"""How much is looked at at a time: less costs more switches between threads, more only memory."""


class Inspection:
    """Looks at a body in threads, while it is stored and the rest comes in. It copies nothing."""

    def __init__(self, expected: Expected) -> None:
        self._has_claims = bool(expected.claims)
        self._digester = Digester(expected)
        self._watcher = Watcher()

    @asynccontextmanager
    async def of(self, body: bytes) -> AsyncIterator[None]:
        """Look at a whole body while something is done with it, or before that where it could turn
        out to be another: raises DigestMismatch then.
        """
        looking = self._look([body])
        try:
            if self._has_claims:
                await looking
                self._digester.check()
            yield
        finally:
            await looking

    async def through(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """The same chunks, looked at on the way.

        Raises DigestMismatch at the end, where whoever takes them has to drop what it has.
        """
        looking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        looking.set_result(None)
        unseen: list[bytes] = []
        size = 0
        try:
            async for chunk in chunks:
                unseen.append(chunk)
                size += len(chunk)
                if size >= LOOK_BYTES:
                    await looking
                    looking = self._look(unseen)
                    unseen, size = [], 0
                yield chunk
            await looking
            looking = self._look(unseen)
            await looking
            self._digester.check()
        finally:
            await asyncio.gather(looking, return_exceptions=True)

    def along(self, start: Sequence[bytes], rest: Pieces, size: int) -> Pieces:
        """The start and the rest, `size` bytes together, looked at by the thread that takes them.

        Raises DigestMismatch in place of the last piece.
        """
        return _Inspected(start, rest, size, self._digester, self._watcher)

    @property
    def sha256(self) -> str:
        """The SHA-256 of all of it, in hexadecimal."""
        return self._digester.sha256

    @property
    def seen(self) -> Seen:
        """What its type can be decided by. To be asked for once."""
        return self._watcher.seen()

    def _look(self, chunks: Sequence[bytes]) -> "asyncio.Task[None]":
        return asyncio.create_task(asyncio.to_thread(self._see, chunks))

    def _see(self, chunks: Sequence[bytes]) -> None:
        for chunk in chunks:
            self._digester.update(chunk)
            self._watcher.feed(chunk)


class _Inspected:
    def __init__(
        self, start: Sequence[bytes], rest: Pieces, size: int, digester: Digester, watcher: Watcher
    ) -> None:
        self._start = start
        self._rest = rest
        self._left = size
        self._digester = digester
        self._watcher = watcher

    def __iter__(self) -> Iterator[memoryview]:
        for piece in chain(map(memoryview, self._start), self._rest):
            self._digester.update(piece)
            self._watcher.feed(piece)
            self._left -= len(piece)
            if not self._left:
                self._digester.check()
            yield piece

    def cancel(self) -> None:
        self._rest.cancel()
