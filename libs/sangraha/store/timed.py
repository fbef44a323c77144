"""A store whose every attempt is timed; it changes nothing else."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sangraha.errors import SangrahaError
from sangraha.metrics import Metrics
from sangraha.store.protocol import Store


class TimedStore:
    """`store`, with each call observed as sangraha_store_seconds by operation and result."""

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

    async def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """See Store.get."""
        with self._timed("get"):
            return await self._store.get(key, offset, length)

    async def delete(self, key: str) -> None:
        """See Store.delete."""
        with self._timed("delete"):
            await self._store.delete(key)

    async def check(self) -> None:
        """See Store.check."""
        await self._store.check()

    async def close(self) -> None:
        """See Store.close."""
        await self._store.close()

    @contextmanager
    def _timed(self, operation: str) -> Iterator[None]:
        started, result = time.perf_counter(), "error"
        try:
            yield
            result = "ok"
        except SangrahaError as error:
            result = error.slug
            raise
        finally:
            self._seconds.labels(operation, result).observe(time.perf_counter() - started)
