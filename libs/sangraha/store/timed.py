"""A store whose every attempt is timed; it changes nothing else."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, contextmanager

from sangraha.errors import SangrahaError
from sangraha.metrics import Metrics
from sangraha.store.protocol import Pieces, Sink, Store, StoredBody, Unfinished


class TimedStore:
    """`store`, with each call observed as sangraha_store_seconds by operation and result.

    A stream is one observation, from its first step to its last; the time of those who send or
    take the bytes is in it.
    """

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._seconds = metrics.store_seconds

    async def start(self) -> None:
        """See Store.start."""
        await self._store.start()

    async def put(self, key: str, body: bytes) -> None:
        """See Store.put."""
        with self._timed("put"):
            await self._store.put(key, body)

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        """See Store.put_stream."""
        with self._timed("put_stream"):
            await self._store.put_stream(key, chunks)

    async def put_pieces(self, key: str, size: int, pieces: Pieces) -> None:
        """See Store.put_pieces."""
        with self._timed("put_pieces"):
            await self._store.put_pieces(key, size, pieces)

    async def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """See Store.get."""
        with self._timed("get"):
            return await self._store.get(key, offset, length)

    async def stream(self, key: str, offset: int, length: int) -> AsyncGenerator[bytes, None]:
        """See Store.stream."""
        with self._timed("stream"):
            async with aclosing(self._store.stream(key, offset, length)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def get_pieces(self, key: str, offset: int, length: int, sink: Sink) -> None:
        """See Store.get_pieces."""
        with self._timed("get_pieces"):
            await self._store.get_pieces(key, offset, length, sink)

    async def delete(self, key: str) -> None:
        """See Store.delete."""
        with self._timed("delete"):
            await self._store.delete(key)

    def list(self) -> AsyncIterator[Sequence[StoredBody]]:
        """See Store.list."""
        return self._store.list()

    def unfinished(self) -> AsyncIterator[Sequence[Unfinished]]:
        """See Store.unfinished."""
        return self._store.unfinished()

    async def abandon(self, unfinished: Unfinished) -> None:
        """See Store.abandon."""
        with self._timed("abandon"):
            await self._store.abandon(unfinished)

    async def check(self) -> None:
        """See Store.check."""
        await self._store.check()

    async def close(self) -> None:
        """See Store.close."""
        await self._store.close()

    @contextmanager
    def _timed(self, operation: str) -> Iterator[None]:
        """`given-up`: the caller did not wait for the end."""
        started, result = time.perf_counter(), "error"
        try:
            yield
            result = "ok"
        except SangrahaError as error:
            result = error.slug
            raise
        except (asyncio.CancelledError, GeneratorExit):
            result = "given-up"
            raise
        finally:
            self._seconds.labels(operation, result).observe(time.perf_counter() - started)
