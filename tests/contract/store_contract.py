"""What every store must do, as one suite. It knows no store.

A subclass of StoreContract gives a fixture `store_url` that names a place of its own for each
test, where nothing has been started yet.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from sangraha.errors import BodyMissing
from sangraha.store.open import open_store
from sangraha.store.protocol import Store
from tests.contract.store_list_contract import ListContract
from tests.contract.store_samples import BODY, IN_TIME, KEY
from tests.contract.store_stream_contract import StreamContract


class StoreContract(StreamContract, ListContract):
    """All of it. `store` is started; `store_url` lets a test open the same place again."""

    shares_its_place = True
    """Whether a second store of the same URL sees the same bodies."""

    @pytest.fixture
    async def store(self, store_url: str) -> AsyncIterator[Store]:
        store = open_store(store_url, timeout_seconds=IN_TIME)
        await store.start()
        yield store
        await store.close()

    async def test_gives_back_what_was_put(self, store: Store) -> None:
        await store.put(KEY, BODY)
        body = await store.get(KEY)
        assert type(body) is bytes
        assert body == BODY

    @pytest.mark.parametrize("offset", [0, 1, 255, len(BODY) - 1, len(BODY)])
    @pytest.mark.parametrize("length", [0, 1, 700, None])
    async def test_gives_back_any_range(
        self, store: Store, offset: int, length: int | None
    ) -> None:
        await store.put(KEY, BODY)
        rest = len(BODY) - offset
        wanted = rest if length is None else min(length, rest)
        body = await store.get(KEY, offset, None if length is None else wanted)
        assert type(body) is bytes
        assert body == BODY[offset : offset + wanted]

    @pytest.mark.parametrize(
        ("offset", "length"),
        [
            (0, len(BODY) + 1),
            (1, len(BODY)),
            (len(BODY), 1),
            (len(BODY) + 1, 0),
            (len(BODY) + 1, None),
            (len(BODY) + 100, 5),
        ],
    )
    async def test_a_range_beyond_the_end_is_a_missing_body(
        self, store: Store, offset: int, length: int | None
    ) -> None:
        await store.put(KEY, BODY)
        with pytest.raises(BodyMissing):
            await store.get(KEY, offset, length)

    @pytest.mark.parametrize(
        ("offset", "length"), [(0, None), (0, 0), (0, 5), (3, None), (3, 0), (3, 5)]
    )
    async def test_a_body_that_was_never_put_is_missing(
        self, store: Store, offset: int, length: int | None
    ) -> None:
        with pytest.raises(BodyMissing):
            await store.get(KEY, offset, length)

    async def test_a_folder_of_bodies_is_no_body(self, store: Store) -> None:
        await store.put(KEY, BODY)
        with pytest.raises(BodyMissing):
            await store.get("default/objects")
        with pytest.raises(BodyMissing):
            await store.get(f"{KEY}/more")
        await store.delete("default/objects")
        await store.delete(f"{KEY}/more")
        assert await store.get(KEY) == BODY

    async def test_an_empty_body_is_a_body(self, store: Store) -> None:
        await store.put(KEY, b"")
        assert await store.get(KEY) == b""
        assert await store.get(KEY, 0, 0) == b""
        with pytest.raises(BodyMissing):
            await store.get(KEY, 0, 1)

    async def test_keeps_eight_mebibytes(self, store: Store) -> None:
        body = hashlib.shake_256(b"large").digest(8 * 1024 * 1024)
        await store.put(KEY, body)
        assert await store.get(KEY) == body
        assert await store.get(KEY, 5_000_000, 2_000_000) == body[5_000_000:7_000_000]

    @pytest.mark.parametrize("key", ["a", "a b/c d.e", "default/x/y/z/(1)=+,@'!_-~"[:-1], "a/b.."])
    async def test_takes_any_safe_key(self, store: Store, key: str) -> None:
        await store.put(key, BODY)
        assert await store.get(key, 1, 2) == BODY[1:3]
        await store.delete(key)
        with pytest.raises(BodyMissing):
            await store.get(key)

    @pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", "./a", ".a", "ü"])
    async def test_refuses_a_key_that_could_mean_another(self, store: Store, key: str) -> None:
        with pytest.raises(ValueError, match="not a key"):
            await store.put(key, BODY)
        with pytest.raises(ValueError, match="not a key"):
            await store.get(key)
        with pytest.raises(ValueError, match="not a key"):
            await store.delete(key)

    @pytest.mark.parametrize(("offset", "length"), [(-1, None), (0, -1)])
    async def test_refuses_what_is_no_range(
        self, store: Store, offset: int, length: int | None
    ) -> None:
        await store.put(KEY, BODY)
        with pytest.raises(ValueError, match="not a range"):
            await store.get(KEY, offset, length)

    async def test_a_body_is_never_replaced_until_it_was_deleted(self, store: Store) -> None:
        await store.put(KEY, BODY)
        await store.put(KEY, b"shorter")
        assert await store.get(KEY) == BODY
        await store.delete(KEY)
        await store.put(KEY, b"shorter")
        assert await store.get(KEY) == b"shorter"

    async def test_one_of_many_puts_at_a_time_wins_and_none_fails(self, store: Store) -> None:
        bodies = [bytes([number]) * 300_000 for number in range(8)]
        await asyncio.gather(*(store.put(KEY, body) for body in bodies))
        assert await store.get(KEY) in bodies

    async def test_a_reader_never_sees_part_of_a_body(self, store: Store) -> None:
        body = b"a" * 300_000
        done = asyncio.Event()

        async def read() -> set[bytes]:
            seen = set()
            while not done.is_set():
                try:
                    seen.add(await store.get(KEY))
                except BodyMissing:
                    seen.add(b"")
            return seen

        async with asyncio.TaskGroup() as group:
            readers = [group.create_task(read()) for _ in range(4)]
            for _ in range(20):
                await store.put(KEY, body)
                await store.delete(KEY)
            done.set()
        assert set[bytes]().union(*(reader.result() for reader in readers)) <= {b"", body}

    async def test_delete_may_be_repeated(self, store: Store) -> None:
        await store.put(KEY, BODY)
        await store.delete(KEY)
        await store.delete(KEY)
        with pytest.raises(BodyMissing):
            await store.get(KEY)

    async def test_takes_many_bodies_at_once(self, store: Store) -> None:
        bodies = {f"bucket{n % 5}/objects/{n}": str(n).encode() * 1000 for n in range(50)}
        await asyncio.gather(*(store.put(key, body) for key, body in bodies.items()))
        found = await asyncio.gather(*(store.get(key) for key in bodies))
        assert found == list(bodies.values())

    async def test_check_is_quiet_while_all_is_well(self, store: Store) -> None:
        await store.check()

    async def test_starting_again_keeps_the_bodies(self, store: Store) -> None:
        await store.put(KEY, BODY)
        await store.start()
        assert await store.get(KEY) == BODY

    async def test_many_may_start_at_once_on_a_new_place(self, store_url: str) -> None:
        stores = [open_store(store_url, timeout_seconds=IN_TIME) for _ in range(6)]
        await asyncio.gather(*(store.start() for store in stores))
        for number, store in enumerate(stores):
            await store.check()
            await store.put(f"a/{number}", BODY)
            assert await store.get(f"a/{number}") == BODY
        if self.shares_its_place:
            assert await stores[0].get("a/5") == BODY
        for store in stores:
            await store.close()
