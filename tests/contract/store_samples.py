"""Bodies, chunks and short ways of asking, for the contract of stores."""

import asyncio
import hashlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import aclosing, asynccontextmanager

import pytest

from sangraha.store.open import open_store
from sangraha.store.protocol import Store, StoredBody, Unfinished

KEY = "default/objects/01890a5d-ac96-774b-bcce-b302099a8057-photo.png"
BODY = bytes(range(256)) * 40
IN_TIME = 20.0
SIZED = pytest.mark.parametrize("sized", [False, True], ids=["any size", "known size"])
"""Whether the store is told how large the body of a stream is."""

WRITER = """
import asyncio, sys, threading
from sangraha.store.open import open_store

async def chunks():
    for _ in range(20):
        yield bytes(1_000_000)
    print("most of it", flush=True)
    await asyncio.Event().wait()

class Pieces:
    def __iter__(self):
        for _ in range(20):
            yield memoryview(bytes(1_000_000))
        print("most of it", flush=True)
        threading.Event().wait()

async def main():
    store = open_store(sys.argv[1], timeout_seconds=20)
    if sys.argv[3:]:
        await store.put_pieces(sys.argv[2], int(sys.argv[3]), Pieces())
    else:
        await store.put_stream(sys.argv[2], chunks())

asyncio.run(main())
"""

MEASURER = """
import asyncio, resource, sys
from contextlib import aclosing
from sangraha.store.open import open_store

async def chunks(size):
    for number in range(size // 65536):
        yield number.to_bytes(4) * 16384

async def both(store, key, size):
    await store.put_stream(key, chunks(size))
    async with aclosing(store.stream(key, 0, size)) as found:
        async for chunk in found:
            pass

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

async def main():
    store = open_store(sys.argv[1], timeout_seconds=20)
    await store.start()
    await both(store, "small", 65536)
    before = peak()
    await both(store, "large", int(sys.argv[2]))
    print(peak() - before)
    await store.close()

asyncio.run(main())
"""


def large_body(size: int, number: int = 0) -> bytes:
    """Of which no two ranges are alike; another for each number."""
    return hashlib.shake_256(b"%d" % number).digest(size)


async def chunks_of(body: bytes, sizes: Iterable[int]) -> AsyncIterator[bytes]:
    """The body in chunks of these sizes."""
    at = 0
    for size in sizes:
        yield body[at : at + size]
        at += size


class PiecesOf:
    """Chunks of the event loop, for the thread that takes pieces."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._loop = asyncio.get_running_loop()
        self._coming: Future[bytes | None] | None = None
        self._is_cancelled = False

    def __iter__(self) -> Iterator[memoryview]:
        while True:
            self._coming = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
            if self._is_cancelled:
                self._coming.cancel()
            if (chunk := self._coming.result()) is None:
                return
            yield memoryview(chunk)

    def cancel(self) -> None:
        self._is_cancelled = True
        if self._coming is not None:
            self._coming.cancel()

    async def _next(self) -> bytes | None:
        return await anext(self._chunks, None)


class Gathered:
    """A sink that keeps what it is given, as long as it has room."""

    def __init__(self, room: int | None = None) -> None:
        self.body = bytearray()
        self._room = room

    def __call__(self, piece: bytes) -> None:
        if self._room is not None and len(self.body) + len(piece) > self._room:
            raise LookupError("the sink is full")
        self.body += piece

    def cancel(self) -> None:
        pass


class HeldBack:
    """A body that is sent whole, in pieces of 1 MB, whose end does not come before it may."""

    def __init__(self, body: bytes, *, may_end: bool = False) -> None:
        self._body = body
        self.reached = asyncio.Event()
        self.may_end = asyncio.Event()
        if may_end:
            self.may_end.set()

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), 1_000_000):
            yield self._body[start : start + 1_000_000]
        self.reached.set()
        await self.may_end.wait()


@asynccontextmanager
async def opened(store_url: str, timeout_seconds: float = IN_TIME) -> AsyncIterator[Store]:
    """A store of its own, started."""
    store = open_store(store_url, timeout_seconds=timeout_seconds)
    await store.start()
    try:
        yield store
    finally:
        await store.close()


async def put(store: Store, key: str, chunks: AsyncIterator[bytes], size: int | None) -> None:
    """As a stream; in pieces, where the store is told the size."""
    if size is None:
        await store.put_stream(key, chunks)
    else:
        await store.put_pieces(key, size, PiecesOf(chunks))


def told_of(body: bytes, sized: bool) -> int | None:
    """What the store is told of the body's size."""
    return len(body) if sized else None


async def streamed(store: Store, key: str, offset: int, length: int) -> bytes:
    """What the stream gives."""
    async with aclosing(store.stream(key, offset, length)) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def poured(store: Store, key: str, offset: int, length: int) -> bytes:
    """What comes into a sink."""
    sink = Gathered()
    await store.get_pieces(key, offset, length, sink)
    return bytes(sink.body)


async def bodies_of(store: Store) -> list[StoredBody]:
    """All of them, by key."""
    batches = [batch async for batch in store.list()]
    return sorted((body for batch in batches for body in batch), key=lambda body: body.key)


async def unfinished_of(store: Store) -> list[Unfinished]:
    """All of them."""
    return [each async for batch in store.unfinished() for each in batch]


async def kill_while_writing(store_url: str, key: str, size: int | None = None) -> None:
    """Send 20 MB of a body from another process, and kill it there. `size` is what it tells."""
    arguments = [store_url, key] if size is None else [store_url, key, str(size)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, *arguments, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    await process.wait()


async def memory_of_streaming(store_url: str, size: int) -> int:
    """How many bytes more a process takes that sends and reads a body of this size."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MEASURER, store_url, str(size), stdout=subprocess.PIPE
    )
    told, _ = await process.communicate()
    return int(told)
