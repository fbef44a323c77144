"""Streams to and from a real MinIO: its outages, slow links, and what killed writers leave."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from io import BytesIO
from itertools import repeat

import pytest
from minio import Minio

from development.servers.minio import MinioServer
from sangraha.errors import StoreUnavailable
from sangraha.store.open import open_store
from sangraha.store.protocol import PART_BYTES, Store
from tests.contract.store_samples import (
    BODY,
    KEY,
    SIZED,
    Gathered,
    HeldBack,
    bodies_of,
    chunks_of,
    kill_while_writing,
    large_body,
    opened,
    poured,
    put,
    streamed,
    told_of,
    unfinished_of,
)
from tests.faults.proxy import TcpProxy
from tests.faults.slow_link import slow_link

TIMEOUT_SECONDS = 2.0
MARGIN_SECONDS = 1.8
LARGE = large_body(4 * PART_BYTES)

Fault = Callable[[TcpProxy], None]


@pytest.fixture
async def proxy(minio_server: MinioServer) -> AsyncIterator[TcpProxy]:
    async with TcpProxy("127.0.0.1", minio_server.port) as proxy:
        yield proxy


@pytest.fixture
async def store(minio_store_url: str) -> AsyncIterator[Store]:
    async with opened(minio_store_url) as store:
        yield store


@pytest.fixture
async def far(
    minio_server: MinioServer, minio_store_url: str, proxy: TcpProxy, store: Store
) -> AsyncIterator[Store]:
    """The same bucket, through the proxy."""
    url = minio_store_url.replace(f"%3A{minio_server.port}", f"%3A{proxy.port}")
    async with opened(url, TIMEOUT_SECONDS) as far:
        yield far
        # What is left to clear away belongs to the outage.
        proxy.restore()


@pytest.fixture(params=["cut", "freeze", "swallow_answers"])
def fault(request: pytest.FixtureRequest) -> Fault:
    return lambda proxy: getattr(proxy, request.param)()


@pytest.mark.parametrize("size", [None, 3 * len(LARGE)], ids=["any size", "known size"])
async def test_an_outage_in_the_middle_of_an_upload_is_told_in_time(
    store: Store, far: Store, proxy: TcpProxy, fault: Fault, size: int | None
) -> None:
    broken_at = []

    async def chunks() -> AsyncIterator[bytes]:
        yield LARGE
        yield LARGE
        fault(proxy)
        broken_at.append(time.monotonic())
        for chunk in repeat(LARGE) if size is None else [LARGE]:
            yield chunk

    with pytest.raises(StoreUnavailable):
        await put(far, KEY, chunks(), size)
    assert time.monotonic() - broken_at[0] < TIMEOUT_SECONDS + MARGIN_SECONDS
    proxy.restore()
    await far.close()
    for left in await unfinished_of(store):
        await store.abandon(left)
    assert await unfinished_of(store) == []
    assert await bodies_of(store) == []


@SIZED
async def test_an_outage_at_the_end_of_an_upload_is_told_in_time(
    store: Store, far: Store, proxy: TcpProxy, fault: Fault, sized: bool
) -> None:
    body = HeldBack(LARGE)
    putting = asyncio.create_task(put(far, KEY, body.chunks(), told_of(LARGE, sized)))
    await body.reached.wait()
    fault(proxy)
    started = time.monotonic()
    body.may_end.set()
    with pytest.raises(StoreUnavailable):
        await putting
    assert time.monotonic() - started < TIMEOUT_SECONDS + MARGIN_SECONDS


async def test_an_outage_in_the_middle_of_a_download_is_told_in_time(
    store: Store, far: Store, proxy: TcpProxy, fault: Fault
) -> None:
    body = large_body(6 * PART_BYTES)
    await store.put_stream(KEY, chunks_of(body, [len(body)]))
    chunks = far.stream(KEY, 0, len(body))
    got = bytearray(await anext(chunks))
    fault(proxy)
    started = time.monotonic()

    async def read_on() -> None:
        async for chunk in chunks:
            got.extend(chunk)

    with pytest.raises(StoreUnavailable):
        await read_on()
    assert time.monotonic() - started < TIMEOUT_SECONDS + MARGIN_SECONDS
    assert body.startswith(got)
    proxy.restore()
    assert await streamed(far, KEY, 0, len(body)) == body


async def test_an_outage_while_a_body_is_poured_is_told_in_time(
    store: Store, far: Store, proxy: TcpProxy, fault: Fault
) -> None:
    body = large_body(6 * PART_BYTES)
    await store.put_stream(KEY, chunks_of(body, [len(body)]))
    loop = asyncio.get_running_loop()
    broken_at = []

    class Faulty(Gathered):
        def __call__(self, piece: bytes) -> None:
            if not self.body:
                asyncio.run_coroutine_threadsafe(broken(), loop).result()
            super().__call__(piece)

    async def broken() -> None:
        fault(proxy)
        broken_at.append(time.monotonic())

    sink = Faulty()
    with pytest.raises(StoreUnavailable):
        await far.get_pieces(KEY, 0, len(body), sink)
    assert time.monotonic() - broken_at[0] < TIMEOUT_SECONDS + MARGIN_SECONDS
    assert body.startswith(sink.body)
    proxy.restore()
    assert await poured(far, KEY, 0, len(body)) == body


@SIZED
async def test_a_client_that_leaves_during_an_outage_does_not_wait_for_long(
    far: Store, proxy: TcpProxy, sized: bool
) -> None:
    body = HeldBack(LARGE)
    putting = asyncio.create_task(put(far, KEY, body.chunks(), told_of(LARGE, sized)))
    await body.reached.wait()
    proxy.freeze()
    started = time.monotonic()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert time.monotonic() - started < 2 * TIMEOUT_SECONDS + MARGIN_SECONDS


@SIZED
async def test_a_request_may_take_longer_than_the_timeout_while_bytes_flow(
    minio_server: MinioServer, minio_store_url: str, store: Store, sized: bool
) -> None:
    body = large_body(PART_BYTES + 1)
    async with slow_link(minio_server.port, PART_BYTES // 3) as port:
        url = minio_store_url.replace(f"%3A{minio_server.port}", f"%3A{port}")
        async with opened(url, timeout_seconds=2) as slow:
            started = time.monotonic()
            await put(slow, KEY, chunks_of(body, [len(body)]), told_of(body, sized))
            assert time.monotonic() - started > 2
            started = time.monotonic()
            assert await streamed(slow, KEY, 0, len(body)) == body
            assert time.monotonic() - started > 2


async def test_a_client_that_leaves_does_not_wait_until_its_parts_are_sent(
    minio_server: MinioServer, minio_store_url: str, store: Store
) -> None:
    async with slow_link(minio_server.port, PART_BYTES // 20) as port:
        url = minio_store_url.replace(f"%3A{minio_server.port}", f"%3A{port}")
        async with opened(url, timeout_seconds=15) as slow:
            body = HeldBack(LARGE)
            putting = asyncio.create_task(slow.put_stream(KEY, body.chunks()))
            await body.reached.wait()
            started = time.monotonic()
            putting.cancel()
            await asyncio.wait([putting])
            assert time.monotonic() - started < 10
    assert await unfinished_of(store) == []


async def test_what_a_killed_process_left_is_known_after_the_server_restarted(
    own_minio_server: MinioServer,
) -> None:
    url = own_minio_server.store_url("restarted")
    async with opened(url) as store:
        await kill_while_writing(url, KEY)
        own_minio_server.stop()
        own_minio_server.start()
        assert len(uploads(own_minio_server, "restarted")) == 1
        left = await unfinished_of(store)
        assert [each.key for each in left] == [KEY]
        await store.abandon(left[0])
        assert uploads(own_minio_server, "restarted") == []
        assert await unfinished_of(store) == []


async def test_a_client_that_leaves_does_not_wait_until_its_body_is_sent(
    minio_server: MinioServer, minio_store_url: str, store: Store
) -> None:
    async with slow_link(minio_server.port, PART_BYTES // 20) as port:
        url = minio_store_url.replace(f"%3A{minio_server.port}", f"%3A{port}")
        async with opened(url, timeout_seconds=15) as slow:
            told = asyncio.Event()

            async def chunks() -> AsyncIterator[bytes]:
                yield LARGE[: PART_BYTES // 2]
                told.set()
                yield LARGE[PART_BYTES // 2 :]

            putting = asyncio.create_task(put(slow, KEY, chunks(), len(LARGE)))
            await told.wait()
            started = time.monotonic()
            putting.cancel()
            await asyncio.wait([putting])
            assert time.monotonic() - started < 10
    assert await bodies_of(store) == []


async def test_an_upload_that_is_cancelled_at_its_end_leaves_nothing(store: Store) -> None:
    body = large_body(300_000)
    for number in range(40):
        putting = asyncio.create_task(put(store, KEY, chunks_of(body, [len(body)]), len(body)))
        await asyncio.wait([putting], timeout=number * 0.0002)
        putting.cancel()
        await asyncio.wait([putting])
        if not putting.cancelled():
            await store.delete(KEY)
    # Whatever the server had not made visible by then, it does not make visible later.
    await store.put(f"{KEY}-after", BODY)
    assert [each.key for each in await bodies_of(store)] == [f"{KEY}-after"]


async def test_a_killed_process_leaves_nothing_of_a_body_of_known_size(
    store: Store, minio_store_url: str
) -> None:
    await kill_while_writing(minio_store_url, KEY, 30_000_000)
    assert await unfinished_of(store) == []
    assert await bodies_of(store) == []


async def test_no_upload_stays_on_the_server_when_its_sender_fails(
    store: Store, minio_server: MinioServer, minio_store_url: str
) -> None:
    bucket = minio_store_url.removeprefix("s3://").partition("?")[0]
    body = HeldBack(LARGE)
    putting = asyncio.create_task(store.put_stream(KEY, body.chunks()))
    await body.reached.wait()
    assert len(uploads(minio_server, bucket)) == 1
    putting.cancel()
    await asyncio.wait([putting])
    assert uploads(minio_server, bucket) == []


async def test_an_upload_is_abandoned_and_its_neighbour_goes_on(store: Store) -> None:
    held = HeldBack(LARGE)
    other = asyncio.create_task(store.put_stream("a/10", held.chunks()))
    await held.reached.wait()
    gone = HeldBack(LARGE)
    putting = asyncio.create_task(store.put_stream("a/1", gone.chunks()))
    await gone.reached.wait()
    left = {each.key: each for each in await unfinished_of(store)}
    assert left.keys() == {"a/1", "a/10"}
    await store.abandon(left["a/1"])
    gone.may_end.set()
    with pytest.raises(StoreUnavailable, match="NoSuchUpload"):
        await putting
    held.may_end.set()
    await other
    assert await store.get("a/10") == LARGE


async def test_what_others_put_into_the_bucket_does_not_hinder_the_listing(
    store: Store, minio_server: MinioServer, minio_store_url: str
) -> None:
    bucket = minio_store_url.removeprefix("s3://").partition("?")[0]
    client = s3_client(minio_server)
    for key in ("line\nbreak", "ü", "folder/", ".hidden", "a%2Fb", "a&b<c>"):
        client.put_object(bucket, key, BytesIO(b"1"), 1)
    await store.put(KEY, BODY)
    assert [body.key for body in await bodies_of(store)] == [KEY]


async def test_without_its_bucket_nothing_streams(minio_store_url: str) -> None:
    store = open_store(minio_store_url, timeout_seconds=10)
    for attempt in (
        store.put_stream(KEY, chunks_of(b"small", [5])),
        store.put_stream(KEY, chunks_of(LARGE, [len(LARGE)])),
        put(store, KEY, chunks_of(LARGE, [len(LARGE)]), len(LARGE)),
        streamed(store, KEY, 0, 5),
        bodies_of(store),
        unfinished_of(store),
    ):
        with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
            await attempt
    await store.close()


def s3_client(server: MinioServer) -> Minio:
    return Minio(
        server.endpoint.removeprefix("http://"),
        server.access_key_id,
        server.secret_access_key,
        secure=False,
    )


def uploads(server: MinioServer, bucket: str) -> list[str | None]:
    """The ids of the unfinished uploads of KEY, as the server itself tells."""
    found = s3_client(server)._list_multipart_uploads(bucket, prefix=KEY)
    return [each.upload_id for each in found.uploads]
