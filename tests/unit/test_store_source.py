"""A stream that is read one chunk ahead, of a source that blocks."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from sangraha.errors import StoreUnavailable
from sangraha.store.source import CHUNK_BYTES, FIRST_CHUNK_BYTES, read_ahead
from tests.waiting import eventually


class Script:
    """A source that gives what it was told to."""

    def __init__(self, *steps: bytes | Exception) -> None:
        self.steps = list(steps)
        self.asked: list[int] = []
        self.is_closed = False

    def read(self, size: int) -> bytes:
        self.asked.append(size)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def close(self) -> None:
        self.is_closed = True


async def in_a_thread(work: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(work)


async def test_a_failure_comes_after_the_chunks_before_it() -> None:
    source = Script(b"one", b"two", StoreUnavailable("gone"))
    stream = read_ahead(source, in_a_thread)
    assert await anext(stream) == b"one"
    assert await anext(stream) == b"two"
    with pytest.raises(StoreUnavailable):
        await anext(stream)
    assert source.is_closed


async def test_the_start_comes_in_a_small_chunk_and_the_rest_in_large_ones() -> None:
    source = Script(b"one", b"two", b"three", b"four", b"")
    async with aclosing(read_ahead(source, in_a_thread)) as stream:
        assert [chunk async for chunk in stream] == [b"one", b"two", b"three", b"four"]
    assert source.asked[0] == FIRST_CHUNK_BYTES < source.asked[1] < source.asked[2]
    assert source.asked[2:] == [CHUNK_BYTES] * 3


async def test_one_chunk_is_read_ahead_and_no_more() -> None:
    source = Script(b"one", b"two", b"three", b"")
    ahead: list[int] = []

    async def run(work: Callable[[], Any]) -> Any:
        ahead.append(len(source.steps))
        return work()

    async with aclosing(read_ahead(source, run)) as stream:
        assert await anext(stream) == b"one"
        await asyncio.sleep(0)
        assert source.steps == [b"three", b""]
    assert source.is_closed
    assert ahead[:2] == [4, 3]


async def test_a_read_that_comes_after_the_end_opens_nothing() -> None:
    source = Script(b"one")
    late: list[Callable[[], Any]] = []

    async def run(work: Callable[[], Any]) -> Any:
        if not late:
            late.append(work)
            await asyncio.Event().wait()
        return work()

    reading = asyncio.ensure_future(anext(read_ahead(source, run)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert source.is_closed
    assert late[0]() == b""
    assert source.steps == [b"one"]


async def test_a_source_is_closed_although_whoever_closes_the_stream_is_cancelled() -> None:
    source = Script(b"one", b"two")
    is_closing, may_close = asyncio.Event(), asyncio.Event()

    async def run(work: Callable[[], Any]) -> Any:
        if work.__name__ == "close":
            is_closing.set()
            await may_close.wait()
        return work()

    stream = read_ahead(source, run)
    await anext(stream)
    closing = asyncio.create_task(stream.aclose())
    await is_closing.wait()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    may_close.set()
    await eventually(lambda: source.is_closed)
