"""Bodies on their way in: what goes into the message, what into the store, and what is kept when
something goes wrong.
"""

import asyncio
import base64
import hashlib
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from sangraha.broker.journal import JournalBroker
from sangraha.errors import (
    BodyTooLarge,
    BrokerUnavailable,
    DigestMismatch,
    StoreUnavailable,
    TooManyUploads,
)
from sangraha.http.digests import Expected, expected_digests
from sangraha.messages import Claimed, Inline
from sangraha.store.local import LocalStore
from sangraha.store.protocol import PART_BYTES, Store
from sangraha_receiver.inspection import Inspection
from sangraha_receiver.reachable import REMEMBERED_SECONDS, Reachable
from sangraha_receiver.turn import Turns
from sangraha_receiver.uploads import Uploads

INLINE = 1000
MAX = 3 * PART_BYTES
KEY = "default/objects/a-key"
CHUNK = 64 * 1024


async def chunks_of(body: bytes, size: int = CHUNK) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def never_read() -> AsyncIterator[bytes]:
    pytest.fail("the body was read")
    yield b""


def digests(body: bytes, header: str = "Repr-Digest") -> Expected:
    value = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return expected_digests(Headers({header: f"sha-256=:{value}:"}))


async def kept(store: Store) -> list[str]:
    """All that the store has, half of a body included."""
    bodies = [body.key async for batch in store.list() for body in batch]
    return bodies + [each.key async for batch in store.unfinished() for each in batch]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LocalStore]:
    store = LocalStore(tmp_path / "store", timeout_seconds=10)
    await store.start()
    yield store
    await store.close()


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[JournalBroker]:
    broker = JournalBroker(tmp_path / "journal.sqlite")
    await broker.start()
    yield broker
    await broker.close()


MakeUploads = Callable[..., Uploads]


@pytest.fixture
def make(store: LocalStore, broker: JournalBroker) -> MakeUploads:
    def make(
        check: Callable[[], Awaitable[None]] | None = None,
        concurrency: int = 2,
        patience_seconds: float = 5,
    ) -> Uploads:
        turns = Turns(Reachable(check or store.check), broker, concurrency, patience_seconds)
        return Uploads(store, turns, inline_body_bytes=INLINE, max_body_bytes=MAX)

    return make


@pytest.fixture
def uploads(make: MakeUploads) -> Uploads:
    return make()


@pytest.mark.parametrize("size", [0, 1, INLINE - 1, INLINE])
@pytest.mark.parametrize("announce", [True, False])
async def test_a_body_up_to_the_limit_travels_in_the_message(
    uploads: Uploads, store: Store, size: int, announce: bool
) -> None:
    body = bytes(size)
    taken = await uploads.take(chunks_of(body, 7), KEY, announced=size if announce else None)
    assert taken == Inline(body)
    assert await kept(store) == []


@pytest.mark.parametrize("size", [INLINE + 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES, MAX])
@pytest.mark.parametrize("announce", [True, False])
async def test_a_larger_one_waits_in_the_store_and_is_described(
    uploads: Uploads, store: Store, size: int, announce: bool
) -> None:
    body = bytes(range(251)) * (size // 251 + 1)
    body = body[:size]
    taken = await uploads.take(
        chunks_of(body),
        KEY,
        announced=size if announce else None,
        expected=digests(body),
    )
    assert isinstance(taken, Claimed)
    assert taken.key == KEY
    assert taken.sha256 == hashlib.sha256(body).hexdigest()
    assert taken.size == size
    assert (taken.seen.head, taken.seen.tail) == (body[:4096], body[-1024:])
    assert await store.get(KEY) == body
    assert await kept(store) == [KEY]


@pytest.mark.parametrize("tail", [b"]", b"1 ", b""])
async def test_json_is_parsed_as_it_passes(uploads: Uploads, tail: bytes) -> None:
    body = b"[" + b"1234567, " * (PART_BYTES // 6) + b"1" + tail
    taken = await uploads.take(chunks_of(body), KEY)
    assert isinstance(taken, Claimed)
    assert taken.seen.is_json == (tail == b"]")
    assert (taken.seen.json_damage is None) == (tail == b"]")


@pytest.mark.parametrize("size", [MAX + 1, MAX + PART_BYTES])
async def test_one_beyond_the_largest_size_is_not_kept(
    uploads: Uploads, store: Store, size: int
) -> None:
    with pytest.raises(BodyTooLarge, match=str(MAX)):
        await uploads.take(never_read(), KEY, announced=size)
    with pytest.raises(BodyTooLarge, match=str(MAX)):
        await uploads.take(chunks_of(bytes(size)), KEY)
    assert await kept(store) == []


@pytest.mark.parametrize("size", [10, INLINE + 1, PART_BYTES + 1, 2 * PART_BYTES + 5])
async def test_one_with_another_digest_than_was_sent_is_not_kept(
    uploads: Uploads, store: Store, size: int
) -> None:
    body = bytes(size)
    with pytest.raises(DigestMismatch):
        await uploads.take(chunks_of(body), KEY, expected=digests(body + b"x"))
    assert await kept(store) == []
    with pytest.raises(DigestMismatch, match="Content-Digest"):
        await uploads.take(chunks_of(body), KEY, expected=digests(b"", "Content-Digest"))
    assert await kept(store) == []


@pytest.mark.parametrize("size", [10, INLINE + 1, PART_BYTES + 1, 2 * PART_BYTES])
async def test_of_one_whose_client_goes_away_nothing_is_kept(
    uploads: Uploads, store: Store, size: int
) -> None:
    async def cut() -> AsyncIterator[bytes]:
        async for chunk in chunks_of(bytes(size)):
            yield chunk
        raise ClientDisconnect

    with pytest.raises(ClientDisconnect):
        await uploads.take(cut(), KEY)
    assert await kept(store) == []


async def test_of_one_that_is_cancelled_nothing_is_kept(uploads: Uploads, store: Store) -> None:
    reached = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        async for chunk in chunks_of(bytes(2 * PART_BYTES)):
            yield chunk
        reached.set()
        await asyncio.Event().wait()

    taking = asyncio.create_task(uploads.take(stuck(), KEY))
    await reached.wait()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert await kept(store) == []
    # Its turn was given back.
    for _ in range(3):
        await uploads.take(chunks_of(bytes(INLINE + 1)), KEY)


async def test_while_the_store_is_away_small_bodies_are_taken_and_large_ones_are_not_read(
    make: MakeUploads,
) -> None:
    async def away() -> None:
        raise StoreUnavailable("gone")

    uploads = make(check=away)
    assert await uploads.take(chunks_of(bytes(INLINE)), KEY) == Inline(bytes(INLINE))
    with pytest.raises(StoreUnavailable, match="gone"):
        await uploads.take(never_read(), KEY, announced=INLINE + 1)
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 100
            yield bytes(100)

    with pytest.raises(StoreUnavailable):
        await uploads.take(endless(), KEY)
    assert read == INLINE + 100


async def test_a_large_body_that_could_not_be_accepted_is_not_read(
    make: MakeUploads, broker: JournalBroker
) -> None:
    await broker.close()
    uploads = make(patience_seconds=0.01)
    with pytest.raises(BrokerUnavailable):
        await uploads.take(never_read(), KEY, announced=INLINE + 1)


async def test_only_so_many_large_bodies_are_taken_at_a_time(make: MakeUploads) -> None:
    uploads = make(concurrency=2, patience_seconds=0.05)
    goes_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield bytes(INLINE + 1)
        await goes_on.wait()

    slow_ones = [
        asyncio.create_task(uploads.take(slow(), f"{KEY}-{number}")) for number in range(2)
    ]
    await asyncio.sleep(0)
    with pytest.raises(TooManyUploads):
        await uploads.take(chunks_of(bytes(INLINE + 1)), KEY, announced=INLINE + 1)
    assert await uploads.take(chunks_of(b"small"), KEY) == Inline(b"small")
    goes_on.set()
    await asyncio.gather(*slow_ones)
    await uploads.take(chunks_of(bytes(INLINE + 1)), KEY)


async def test_a_body_that_is_only_announced_takes_no_turn(make: MakeUploads) -> None:
    uploads = make(concurrency=1, patience_seconds=0.05)
    never = asyncio.Event()

    async def silent() -> AsyncIterator[bytes]:
        await never.wait()
        yield b""

    announced = asyncio.create_task(uploads.take(silent(), f"{KEY}-1", announced=10 * INLINE))
    await asyncio.sleep(0)
    taken = await uploads.take(chunks_of(bytes(INLINE + 1)), KEY, announced=INLINE + 1)
    assert isinstance(taken, Claimed)
    announced.cancel()
    await asyncio.gather(announced, return_exceptions=True)


async def test_a_body_that_nobody_will_commit_can_be_removed(
    uploads: Uploads, store: Store
) -> None:
    taken = await uploads.take(chunks_of(bytes(INLINE + 1)), KEY)
    assert await kept(store) == [KEY]
    await uploads.discard(taken)
    await uploads.discard(Inline(b""))
    assert await kept(store) == []


async def test_a_large_body_takes_little_memory(store: Store, broker: JournalBroker) -> None:
    size = 300 * 1024 * 1024
    turns = Turns(Reachable(store.check), broker, 1, 5)
    uploads = Uploads(store, turns, inline_body_bytes=INLINE, max_body_bytes=size)

    async def body() -> AsyncIterator[bytes]:
        for number in range(size // CHUNK):
            yield number.to_bytes(8) * (CHUNK // 8)

    tracemalloc.start()
    try:
        taken = await uploads.take(body(), KEY)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken.size == size
    assert peak < 50 * 1024 * 1024


async def test_whether_the_store_answers_is_asked_once_a_second() -> None:
    now, asked = 100.0, 0
    is_away = True

    async def check() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        if is_away:
            raise StoreUnavailable("gone")

    reachable = Reachable(check, lambda: now)
    refused = await asyncio.gather(*(reachable.require() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(one, StoreUnavailable) for one in refused)
    assert asked == 1
    is_away = False
    now += REMEMBERED_SECONDS - 0.01
    with pytest.raises(StoreUnavailable, match="gone"):
        await reachable.require()
    now += 0.02
    await asyncio.gather(*(reachable.require() for _ in range(5)))
    assert asked == 2
    is_away = True
    await reachable.require()


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=12), st.integers(1, 50), st.booleans())
async def test_a_body_passes_unchanged_and_is_known_however_it_comes(
    chunks: list[bytes], look_bytes: int, is_right: bool
) -> None:
    async def source() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    body = b"".join(chunks)
    passed = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sangraha_receiver.inspection.LOOK_BYTES", look_bytes)
        inspection = Inspection(digests(body if is_right else body + b"x"))
        with nullcontext() if is_right else pytest.raises(DigestMismatch):
            async for chunk in inspection.through(source()):
                passed.append(chunk)  # noqa: PERF401 - what came before the error counts
    assert passed == chunks
    assert inspection.sha256 == hashlib.sha256(body).hexdigest()
    assert inspection.seen.head == body
