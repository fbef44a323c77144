"""A body that is read in blocking steps, made the asynchronous stream that a store gives."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, Final, Protocol

from sangraha.errors import StoreUnavailable

CHUNK_BYTES: Final = 1024 * 1024
"""How much a stream gives at a time: less costs throughput, more only memory."""
FIRST_CHUNK_BYTES: Final = 64 * 1024
"""But for its start, so that whoever waits for that has it soon."""
_GROWTH: Final = 4

Run = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Does blocking work in a thread. Where its caller stops waiting, the work goes on."""


class Source(Protocol):
    """Where the bytes come from. It opens at the first read; one thread at a time uses it."""

    def read(self, size: int) -> bytes:
        """The next bytes, about as many as that; none at the end."""

    def close(self) -> None:
        """May come before anything was read."""


def chunk_sizes() -> Iterator[int]:
    """How much of a stream to read, each time."""
    size = FIRST_CHUNK_BYTES
    while True:
        yield size
        size = min(size * _GROWTH, CHUNK_BYTES)


async def read_ahead(source: Source, run: Run) -> AsyncGenerator[bytes, None]:
    """All of it, one chunk ahead of who takes it; what goes wrong comes in its turn."""
    alone = threading.Lock()
    closed = False
    sizes = chunk_sizes()

    def read() -> bytes:
        with alone:
            return b"" if closed else source.read(next(sizes))

    def close() -> None:
        nonlocal closed
        with alone:
            closed = True
            source.close()

    coming = asyncio.ensure_future(run(read))
    try:
        while chunk := await coming:
            coming = asyncio.ensure_future(run(read))
            yield chunk
    finally:
        coming.cancel()
        # Whoever is cancelled meanwhile leaves no file or connection behind.
        await asyncio.shield(asyncio.ensure_future(_closed(coming, run, close)))


async def _closed(coming: asyncio.Future[Any], run: Run, close: Callable[[], None]) -> None:
    await asyncio.gather(coming, return_exceptions=True)
    with suppress(StoreUnavailable):
        await run(close)


def require_range(offset: int, length: int | None) -> None:
    """Raises ValueError for what cannot be a range of any body."""
    if offset < 0 or (length is not None and length < 0):
        raise ValueError(f"not a range: {offset}, {length}")
