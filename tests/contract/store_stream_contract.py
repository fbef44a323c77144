"""What every store must do with streams of bytes, in and out."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from datetime import UTC, datetime

import pytest
from blockbuster import blockbuster_ctx

import sangraha
from sangraha.errors import BodyMissing
from sangraha.store.protocol import MAX_PUT_BYTES, PART_BYTES, Store, Unfinished
from tests.contract.store_samples import (
    KEY,
    SIZED,
    Gathered,
    HeldBack,
    bodies_of,
    chunks_of,
    kill_while_writing,
    large_body,
    memory_of_streaming,
    opened,
    poured,
    put,
    streamed,
    told_of,
    unfinished_of,
)

CHUNKINGS = [
    [],
    [0],
    [1],
    [0, 1, 0, 2, 0],
    [PART_BYTES],
    [PART_BYTES - 1, 2],
    [PART_BYTES, 0, 1],
    [3, PART_BYTES, PART_BYTES],
    [2 * PART_BYTES + 5],
    [65_537] * 300,
    [7] * 1000,
]
"""The sizes of chunks. A chunk may have any."""
Read = Callable[[Store, str, int, int], Awaitable[bytes]]
READ = pytest.mark.parametrize("read", [streamed, poured])
"""As a stream, or into a sink."""


class StreamContract:
    """`store` is started; `store_url` names its place."""

    shares_its_place = True

    @SIZED
    @pytest.mark.parametrize("sizes", CHUNKINGS, ids=lambda sizes: f"{len(sizes)}-{sum(sizes)}")
    async def test_a_body_comes_back_however_it_was_cut(
        self, store: Store, sizes: list[int], sized: bool
    ) -> None:
        body = large_body(sum(sizes))
        await put(store, KEY, chunks_of(body, sizes), told_of(body, sized))
        assert await store.get(KEY) == body
        assert await streamed(store, KEY, 0, len(body)) == body

    @SIZED
    @pytest.mark.parametrize("seed", range(4))
    async def test_a_body_comes_back_from_chunks_of_any_size(
        self, store: Store, seed: int, sized: bool
    ) -> None:
        dice = random.Random(seed)
        sizes = [
            dice.choice([0, 1, 1000, 65_536, 3_000_000]) + dice.randrange(99) for _ in range(15)
        ]
        body = large_body(sum(sizes))
        await put(store, KEY, chunks_of(body, sizes), told_of(body, sized))
        assert await streamed(store, KEY, 0, len(body)) == body

    @pytest.mark.parametrize("key", ["a", "a b/c d.e", "default/x/y/z/(1)=+,@'!_-", "a/b.."])
    async def test_streams_take_any_safe_key(self, store: Store, key: str) -> None:
        body = large_body(PART_BYTES + 9)
        await store.put_stream(key, chunks_of(body, [len(body)]))
        assert await streamed(store, key, PART_BYTES - 1, 10) == body[PART_BYTES - 1 :]
        assert [each.key for each in await bodies_of(store)] == [key]

    @pytest.mark.parametrize("key", ["", "/a", "a/../b", ".a", "ü"])
    async def test_streams_refuse_a_key_that_could_mean_another(
        self, store: Store, key: str
    ) -> None:
        with pytest.raises(ValueError, match="not a key"):
            await store.put_stream(key, chunks_of(b"a", [1]))
        with pytest.raises(ValueError, match="not a key"):
            await streamed(store, key, 0, 1)

    @SIZED
    async def test_nothing_is_seen_of_a_body_before_it_is_whole(
        self, store: Store, sized: bool
    ) -> None:
        body = large_body(2 * PART_BYTES + 1)
        body_held = HeldBack(body)
        putting = asyncio.create_task(put(store, KEY, body_held.chunks(), told_of(body, sized)))
        await body_held.reached.wait()
        with pytest.raises(BodyMissing):
            await store.get(KEY)
        assert await bodies_of(store) == []
        body_held.may_end.set()
        await putting
        assert await store.get(KEY) == body
        assert [each.key for each in await bodies_of(store)] == [KEY]
        assert await unfinished_of(store) == []

    @SIZED
    @pytest.mark.parametrize("size", [0, 10, PART_BYTES, PART_BYTES + 1, 6 * PART_BYTES])
    async def test_what_the_sender_raises_is_raised_and_nothing_stays(
        self, store: Store, size: int, sized: bool
    ) -> None:
        body = large_body(size)
        with pytest.raises(LookupError, match="the client went away"):
            await put(store, KEY, breaking_off(body), told_of(body, sized))
        await self.nothing_stays(store)

    @pytest.mark.parametrize("more", [-PART_BYTES, -1, 1, PART_BYTES])
    @pytest.mark.parametrize("size", [PART_BYTES, 3 * PART_BYTES])
    async def test_what_is_not_as_large_as_told_is_not_kept(
        self, store: Store, size: int, more: int
    ) -> None:
        body = large_body(size + more)
        with pytest.raises(ValueError, match=r"more than .* bytes|bytes are missing"):
            await put(store, KEY, HeldBack(body, may_end=True).chunks(), size)
        await self.nothing_stays(store)

    @SIZED
    @pytest.mark.parametrize("size", [0, 10, PART_BYTES, PART_BYTES + 1, 6 * PART_BYTES])
    async def test_a_cancelled_stream_leaves_nothing(
        self, store: Store, size: int, sized: bool
    ) -> None:
        whole = large_body(size)
        body = HeldBack(whole)
        putting = asyncio.create_task(put(store, KEY, body.chunks(), told_of(whole, sized)))
        await body.reached.wait()
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        await self.nothing_stays(store)

    @SIZED
    @pytest.mark.parametrize("size", [10, PART_BYTES + 1])
    async def test_cancelled_at_any_moment_a_body_is_whole_or_not_there(
        self, store: Store, size: int, sized: bool
    ) -> None:
        body = large_body(size)
        for number in range(25):
            key = f"{KEY}-{number}"
            try:
                async with asyncio.timeout(number * 0.004):
                    await put(store, key, chunks_of(body, [size]), told_of(body, sized))
            except TimeoutError:
                with pytest.raises(BodyMissing):
                    await store.get(key)
            else:
                assert await store.get(key) == body
            assert await unfinished_of(store) == []

    @SIZED
    async def test_a_slow_sender_is_waited_for(self, store_url: str, sized: bool) -> None:
        body = large_body(PART_BYTES + 1)
        async with opened(store_url, timeout_seconds=0.5) as store:

            async def chunks() -> AsyncIterator[bytes]:
                for chunk in (body[:10], body[10:PART_BYTES], body[PART_BYTES:]):
                    await asyncio.sleep(0.7)
                    yield chunk

            await put(store, KEY, chunks(), told_of(body, sized))
            assert await streamed(store, KEY, 0, len(body)) == body

    async def test_a_slow_reader_is_waited_for(self, store_url: str) -> None:
        body = large_body(3 * PART_BYTES)
        async with opened(store_url, timeout_seconds=0.5) as store:
            await store.put_stream(KEY, chunks_of(body, [len(body)]))
            got = bytearray()
            async for chunk in store.stream(KEY, 0, len(body)):
                if len(got) in (0, len(chunk)):
                    await asyncio.sleep(0.7)
                got += chunk
            assert got == body

    async def test_a_killed_process_leaves_what_is_unfinished_and_can_be_abandoned(
        self, store: Store, store_url: str
    ) -> None:
        if not self.shares_its_place:
            return
        await store.put(f"{KEY}-other", b"stays")
        await kill_while_writing(store_url, KEY)
        left = await unfinished_of(store)
        assert [each.key for each in left] == [KEY]
        assert [each.key for each in await bodies_of(store)] == [f"{KEY}-other"]
        with pytest.raises(BodyMissing):
            await store.get(KEY)
        for _ in range(2):
            await store.abandon(left[0])
            await self.nothing_stays(store, but=[f"{KEY}-other"])
        await store.put_stream(KEY, chunks_of(b"again", [5]))
        assert await store.get(KEY) == b"again"

    @pytest.mark.parametrize(
        ("offset", "length"),
        [
            (0, 0),
            (0, 1),
            (5, 1_048_576),
            (5, 1_048_577),
            (PART_BYTES - 1, 2),
            (1, 2 * PART_BYTES),
            (2 * PART_BYTES + 99, 1),
            (2 * PART_BYTES + 100, 0),
        ],
    )
    async def test_a_stream_gives_exactly_the_range_in_chunks(
        self, store: Store, offset: int, length: int
    ) -> None:
        body = large_body(2 * PART_BYTES + 100)
        await store.put_stream(KEY, chunks_of(body, [len(body)]))
        chunks = [chunk async for chunk in store.stream(KEY, offset, length)]
        assert b"".join(chunks) == body[offset : offset + length]
        assert all(type(chunk) is bytes and 0 < len(chunk) <= PART_BYTES for chunk in chunks)
        assert await poured(store, KEY, offset, length) == body[offset : offset + length]

    @READ
    @pytest.mark.parametrize(
        ("offset", "length"), [(0, 101), (100, 1), (101, 0), (101, 1), (5_000, 10), (90, 5_000_000)]
    )
    async def test_a_stream_beyond_the_end_is_a_missing_body(
        self, store: Store, offset: int, length: int, read: Read
    ) -> None:
        await store.put(KEY, bytes(100))
        with pytest.raises(BodyMissing):
            await read(store, KEY, offset, length)

    @READ
    @pytest.mark.parametrize(("offset", "length"), [(0, 0), (0, 1), (3, 0), (3, 5)])
    async def test_a_stream_of_no_body_is_missing(
        self, store: Store, offset: int, length: int, read: Read
    ) -> None:
        with pytest.raises(BodyMissing):
            await read(store, KEY, offset, length)
        await store.put(f"{KEY}/more", b"a folder is no body")
        with pytest.raises(BodyMissing):
            await read(store, KEY, offset, length)

    @READ
    @pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, -1)])
    async def test_a_stream_refuses_what_is_no_range(
        self, store: Store, offset: int, length: int, read: Read
    ) -> None:
        await store.put(KEY, b"body")
        with pytest.raises(ValueError, match="not a range"):
            await read(store, KEY, offset, length)

    async def test_a_delete_does_not_cut_who_reads(self, store: Store) -> None:
        body = large_body(5 * PART_BYTES)
        await store.put_stream(KEY, chunks_of(body, [len(body)]))
        async with aclosing(store.stream(KEY, 0, len(body))) as chunks:
            got = bytearray(await anext(chunks))
            deleting = asyncio.create_task(store.delete(KEY))
            async for chunk in chunks:
                got += chunk
        assert got == body
        await deleting
        with pytest.raises(BodyMissing):
            await store.get(KEY)

    async def test_who_stops_reading_early_hinders_nobody(self, store: Store) -> None:
        body = large_body(2 * PART_BYTES)
        await store.put_stream(KEY, chunks_of(body, [len(body)]))
        for _ in range(100):
            async with aclosing(store.stream(KEY, 0, len(body))) as chunks:
                await anext(chunks)
        assert await streamed(store, KEY, 0, len(body)) == body
        await store.delete(KEY)

    @READ
    async def test_a_cancelled_reader_hinders_nobody(self, store: Store, read: Read) -> None:
        body = large_body(2 * PART_BYTES)
        await store.put_stream(KEY, chunks_of(body, [len(body)]))
        for number in range(20):
            with suppress(TimeoutError):
                async with asyncio.timeout(number * 0.001):
                    await read(store, KEY, 0, len(body))
        assert await read(store, KEY, 0, len(body)) == body
        await store.delete(KEY)

    async def test_what_a_sink_raises_is_raised(self, store: Store) -> None:
        body = large_body(2 * PART_BYTES)
        await store.put_stream(KEY, chunks_of(body, [len(body)]))
        full = Gathered(room=PART_BYTES)
        with pytest.raises(LookupError, match="the sink is full"):
            await store.get_pieces(KEY, 0, len(body), full)
        assert body.startswith(full.body)
        await store.delete(KEY)

    async def test_a_body_too_large_to_be_put_at_once_is_refused_unread(self, store: Store) -> None:
        body = HeldBack(b"never read")
        with pytest.raises(ValueError, match="at once"):
            await put(store, KEY, body.chunks(), MAX_PUT_BYTES + 1)
        assert not body.reached.is_set()
        await self.nothing_stays(store)

    @SIZED
    async def test_many_streams_at_once_do_not_mix(self, store: Store, sized: bool) -> None:
        bodies = {f"b/{number}": large_body(PART_BYTES + number, number) for number in range(6)}
        await asyncio.gather(
            *(
                put(store, key, chunks_of(body, [65_536] * 130), told_of(body, sized))
                for key, body in bodies.items()
            )
        )
        found = await asyncio.gather(
            *(streamed(store, key, 0, len(body)) for key, body in bodies.items())
        )
        assert found == list(bodies.values())

    async def test_a_stream_takes_the_same_memory_whatever_its_size(self, store_url: str) -> None:
        if not self.shares_its_place:
            return
        assert await memory_of_streaming(store_url, 200 * 1024 * 1024) < 60 * 1024 * 1024

    @SIZED
    async def test_nothing_blocks_the_event_loop(self, store: Store, sized: bool) -> None:
        body = large_body(PART_BYTES + 1)
        with blockbuster_ctx([sangraha]):
            await put(store, KEY, chunks_of(body, [len(body)]), told_of(body, sized))
            assert await streamed(store, KEY, 0, len(body)) == body
            assert await poured(store, KEY, 0, len(body)) == body
            with pytest.raises(LookupError):
                await store.put_stream(f"{KEY}-broken", breaking_off(body))
            await bodies_of(store)
            for each in (*await unfinished_of(store), Unfinished(KEY, "gone", datetime.now(UTC))):
                await store.abandon(each)
            await store.delete(KEY)

    async def nothing_stays(self, store: Store, but: Iterable[str] = ()) -> None:
        with pytest.raises(BodyMissing):
            await store.get(KEY)
        assert await unfinished_of(store) == []
        assert [each.key for each in await bodies_of(store)] == list(but)


async def breaking_off(body: bytes) -> AsyncIterator[bytes]:
    yield body
    # As a server does whose client has sent all.
    yield b""
    raise LookupError("the client went away")
