"""What the metrics tell of attempts at the store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from sangraha.errors import BodyMissing
from sangraha.metrics import Metrics
from sangraha.store.open import open_store
from sangraha.store.timed import TimedStore

COUNT = 'sangraha_store_seconds_count{operation="%s",result="%s"} 1.0'


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def store(metrics: Metrics) -> TimedStore:
    return TimedStore(open_store("memory://", timeout_seconds=5), metrics)


async def chunks() -> AsyncIterator[bytes]:
    yield bytes(3_000_000)
    yield b"end"


async def test_a_stream_is_one_observation(store: TimedStore, metrics: Metrics) -> None:
    await store.put_stream("a", chunks())
    body = b"".join([chunk async for chunk in store.stream("a", 0, 3_000_003)])
    assert body == bytes(3_000_000) + b"end"
    assert told(metrics) == {COUNT % ("put_stream", "ok"), COUNT % ("stream", "ok")}


async def test_what_goes_wrong_is_told_by_its_name(store: TimedStore, metrics: Metrics) -> None:
    with pytest.raises(BodyMissing):
        await anext(store.stream("a", 0, 1))
    assert told(metrics) == {COUNT % ("stream", "body-missing")}


async def test_who_stops_early_has_given_up(store: TimedStore, metrics: Metrics) -> None:
    async def wait() -> AsyncIterator[bytes]:
        yield b"begun"
        putting.cancel()
        await asyncio.Event().wait()

    putting = asyncio.create_task(store.put_stream("b", wait()))
    await asyncio.wait([putting])
    assert putting.cancelled()
    assert told(metrics) == {COUNT % ("put_stream", "given-up")}
    await store.put_stream("a", chunks())
    async with aclosing(store.stream("a", 0, 3_000_003)) as stream:
        await anext(stream)
    assert COUNT % ("stream", "given-up") in told(metrics)


async def test_listings_pass_through(store: TimedStore) -> None:
    await store.put("a", b"1")
    assert [body.key async for batch in store.list() for body in batch] == ["a"]
    assert [each async for batch in store.unfinished() for each in batch] == []


def told(metrics: Metrics) -> set[str]:
    lines = metrics.page().decode().splitlines()
    return {line for line in lines if line.startswith("sangraha_store_seconds_count")}
