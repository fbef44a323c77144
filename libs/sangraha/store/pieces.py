"""Bodies in pieces, and the threads that pass them on between clients and the store."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing, suppress
from functools import partial
from threading import Event
from typing import Final, TypeVar

from sangraha.store.protocol import MAX_PUT_BYTES, Pieces, Sink

_THREADS: Final = 1024

T = TypeVar("T")


class Sized:
    """The same pieces, as long as they are `size` bytes together.

    `is_whole` once the last of them is given; `failure` is what getting them raised; `given_up`
    once they are cancelled.
    """

    def __init__(self, size: int, pieces: Pieces) -> None:
        """Raises ValueError for more than MAX_PUT_BYTES."""
        if size > MAX_PUT_BYTES:
            raise ValueError(f"no body of {size} bytes can be put at once")
        self.is_whole = False
        self.failure: Exception | None = None
        self.given_up = Event()
        self._size = size
        self._pieces = pieces

    def __iter__(self) -> Iterator[memoryview]:
        """Raises ValueError where they are more or fewer."""
        try:
            yield from self._counted()
        except Exception as error:
            self.failure = error
            raise

    def cancel(self) -> None:
        """See Pieces.cancel."""
        self.given_up.set()
        self._pieces.cancel()

    def _counted(self) -> Iterator[memoryview]:
        left = self._size
        for piece in self._pieces:
            left -= len(piece)
            if left < 0:
                raise ValueError(f"the body has more than {self._size} bytes")
            self.is_whole = not left
            yield piece
        if left:
            raise ValueError(f"{left} of {self._size} bytes are missing")


def client_threads() -> ThreadPoolExecutor:
    """Threads that wait for clients: as many as may be slow at a time."""
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="client")


async def passed_on(client: Pieces | Sink, threads: Executor, work: Callable[[], T]) -> T:
    """Have a thread do it. Where the task is cancelled, the client is, and the thread has ended."""
    working = asyncio.get_running_loop().run_in_executor(threads, work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        client.cancel()
        while not working.done():
            # Who is impatient cancels again.
            with suppress(asyncio.CancelledError):
                await asyncio.wait([working])
        with suppress(Exception):
            working.result()
        raise


async def as_chunks(pieces: Pieces, threads: Executor) -> AsyncGenerator[bytes, None]:
    """Copies of the pieces."""
    each = iter(pieces)
    while (chunk := await passed_on(pieces, threads, partial(_copied, each))) is not None:
        yield chunk


def _copied(pieces: Iterator[memoryview]) -> bytes | None:
    piece = next(pieces, None)
    return None if piece is None else bytes(piece)


async def pour(chunks: AsyncGenerator[bytes, None], sink: Sink, threads: Executor) -> None:
    """All of the chunks into the sink."""
    async with aclosing(chunks):
        async for chunk in chunks:
            await passed_on(sink, threads, partial(sink, chunk))
