"""What every store must do when it is asked what it holds."""

import asyncio
from datetime import UTC, datetime, timedelta

from sangraha.store.protocol import Store
from tests.contract.store_samples import BODY, KEY, bodies_of, unfinished_of

CLOCKS_DIFFER = timedelta(seconds=5)


class ListContract:
    """`store` is started."""

    async def test_an_empty_store_lists_nothing(self, store: Store) -> None:
        assert await bodies_of(store) == []
        assert await unfinished_of(store) == []

    async def test_a_listing_tells_key_size_and_time(self, store: Store) -> None:
        before = datetime.now(UTC) - CLOCKS_DIFFER
        await store.put(KEY, BODY)
        await store.put("sangraha/epoch", b"")
        await store.put("a b/(1)=+,@'!_- c..d", b"1")
        bodies = await bodies_of(store)
        assert [(body.key, body.size) for body in bodies] == [
            ("a b/(1)=+,@'!_- c..d", 1),
            (KEY, len(BODY)),
            ("sangraha/epoch", 0),
        ]
        assert all(before < body.modified_at < before + 9 * CLOCKS_DIFFER for body in bodies)

    async def test_what_was_deleted_is_listed_no_more(self, store: Store) -> None:
        await store.put(KEY, BODY)
        await store.put(f"{KEY}-other", BODY)
        await store.delete(KEY)
        assert [body.key for body in await bodies_of(store)] == [f"{KEY}-other"]

    async def test_a_long_listing_comes_in_batches(self, store: Store) -> None:
        keys = {f"bucket{number % 3}/objects/{number}" for number in range(2005)}
        few = asyncio.Semaphore(32)

        async def put(key: str) -> None:
            async with few:
                await store.put(key, b"1")

        await asyncio.gather(*map(put, keys))
        batches = [batch async for batch in store.list()]
        assert all(0 < len(batch) <= 1000 for batch in batches)
        found = [body.key for batch in batches for body in batch]
        assert len(found) == len(keys)
        assert set(found) == keys

    async def test_bodies_may_come_and_go_while_they_are_listed(self, store: Store) -> None:
        await store.put(f"{KEY}-stays", BODY)

        async def come_and_go() -> None:
            for number in range(100):
                await store.put(f"{KEY}-{number}", b"1")
                await store.delete(f"{KEY}-{number}")

        changing = asyncio.create_task(come_and_go())
        while not changing.done():
            assert f"{KEY}-stays" in {body.key for body in await bodies_of(store)}
        await changing
