"""Which bodies may be removed, decided against whatever else goes on; and purges."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog import condemned, dead_letter
from sangraha.catalog.catalog import Catalog, NewObject
from sangraha.catalog.commit import commit_group
from sangraha.catalog.database import Database
from sangraha.catalog.tables import bodies
from sangraha.catalog.verdict import Swept
from sangraha.messages import (
    CopyObject,
    DeleteObject,
    Done,
)
from tests.contract.catalog_rows import insert_body, moments
from tests.contract.catalog_samples import MINT, new_object
from tests.contract.catalog_samples import dead_letter as letter_about
from tests.contract.catalog_suite import LIFE_SECONDS, CatalogSuite, count

LIFE = timedelta(seconds=LIFE_SECONDS)


def deletion(new: NewObject) -> DeleteObject:
    return DeleteObject(request_id=MINT.new(), object_id=new.request_id)


def copy_of(new: NewObject) -> CopyObject:
    return CopyObject(request_id=MINT.new(), object_id=new.request_id, bucket="default")


async def release_long_ago(database: Database, *keys: str) -> None:
    """Move the time of their release an hour into the past."""
    async with database.write() as connection:
        await connection.execute(
            bodies.update()
            .where(bodies.c.key.in_(keys), bodies.c.released_at.is_not(None))
            .values(released_at=datetime.now(UTC) - timedelta(hours=1))
        )


class SweepContract(CatalogSuite):
    """A body is condemned only if nothing refers to it, and then nothing ever will."""

    async def meanwhile(
        self,
        database: Database,
        step: Callable[[AsyncConnection], Awaitable[object]],
        other: Awaitable[object],
    ) -> asyncio.Future[object]:
        """Begin the other while the step is not committed, and commit it once the other waits."""
        async with database.write() as connection:
            await step(connection)
            begun = asyncio.ensure_future(other)
            await asyncio.wait([begun], timeout=0.3)
        return begun

    async def test_what_nobody_refers_to_is_condemned_and_removed(
        self, catalog: Catalog, database: Database
    ) -> None:
        keys = {f"default/objects/{MINT.new()}" for _ in range(5)}
        assert await catalog.orphans(keys) == keys
        assert await count(database, "bodies") == 0
        assert await catalog.condemn(keys) == keys
        for key in keys:
            assert await moments(database, key) == (False, True, False)
        await catalog.removed(keys)
        for key in keys:
            assert await moments(database, key) == (False, True, True)
        assert await catalog.orphans([]) == await catalog.condemn([]) == set()

    async def test_what_a_live_object_or_a_letter_refers_to_is_kept(self, catalog: Catalog) -> None:
        live, pinned, orphan = new_object(), new_object(), new_object()
        await catalog.commit([live])
        letter = letter_about(pinned.request_id, body_keys=[pinned.location.key])
        await catalog.record_dead_letter(letter)
        keys = [new.location.key for new in (live, pinned, orphan)]
        assert await catalog.orphans(keys) == {orphan.location.key}
        assert await catalog.condemn(keys) == {orphan.location.key}
        kept = await catalog.commit([live, pinned])
        assert [type(outcome) for outcome in kept] == [Done, Done]

    async def test_nothing_is_committed_in_a_condemned_body(
        self, catalog: Catalog, database: Database
    ) -> None:
        new, neighbour = new_object(), new_object()
        await catalog.condemn([new.location.key])
        swept, done = await catalog.commit([new, neighbour])
        assert swept == Swept(new.request_id, new.location.key)
        assert isinstance(done, Done)
        await catalog.removed([new.location.key])
        assert await catalog.locate([new.request_id]) == {}

    async def test_a_condemned_body_is_given_out_again_until_it_is_removed(
        self, catalog: Catalog
    ) -> None:
        """Whoever condemned it may have died before it was removed, or put it after that."""
        key = new_object().location.key
        for _ in range(2):
            assert await catalog.condemn([key]) == {key}
        await catalog.removed([key])
        assert await catalog.condemn([key]) == {key}

    async def test_a_body_is_released_with_its_last_object_and_goes_in_its_own_time(
        self, catalog: Catalog, database: Database
    ) -> None:
        new = new_object()
        copy = copy_of(new)
        key = new.location.key
        await catalog.commit([new, copy])
        await catalog.commit([deletion(new)])
        assert await moments(database, key) == (False, False, False)
        await catalog.commit([DeleteObject(request_id=MINT.new(), object_id=copy.request_id)])
        assert await moments(database, key) == (True, False, False)
        assert await catalog.orphans([key]) == await catalog.condemn([key]) == set()
        assert await catalog.released(60, 10) == await catalog.condemn_released(60, 10) == []
        await release_long_ago(database, key)
        assert await catalog.released(60, 10) == [key]
        assert await catalog.condemn_released(60, 10) == [key]
        assert await catalog.condemn_released(60, 10) == []
        assert await moments(database, key) == (True, True, False)

    async def test_a_released_body_that_is_used_or_pinned_again_is_kept(
        self, catalog: Catalog, database: Database
    ) -> None:
        pinned = new_object()
        first, second = (new_object(key="default/packs/1", offset=n) for n in (0, 120))
        await catalog.commit([pinned, first])
        await catalog.commit([deletion(pinned), deletion(first)])
        await release_long_ago(database, pinned.location.key, "default/packs/1")
        await catalog.record_dead_letter(letter_about(body_keys=[pinned.location.key]))
        await catalog.commit([second])
        assert await catalog.released(60, 10) == await catalog.condemn_released(60, 10) == []
        await catalog.commit([deletion(second)])
        assert await catalog.released(60, 10) == []
        await release_long_ago(database, "default/packs/1")
        assert await catalog.condemn_released(60, 10) == ["default/packs/1"]

    async def test_released_bodies_are_listed_and_condemned_oldest_first_in_pages(
        self, catalog: Catalog, database: Database
    ) -> None:
        long_ago = datetime.now(UTC) - timedelta(days=1)
        keys = [f"default/objects/{n}" for n in (3, 1, 5, 2, 4)]
        for number, key in enumerate(keys):
            # Two of them were released at the same moment.
            moment = long_ago + timedelta(minutes=number if number != 1 else 0)
            await insert_body(database, key, released_at=moment)
        listed: list[str] = []
        while page := await catalog.released(60, 2, listed[-1] if listed else None):
            listed += page
        assert listed == keys
        assert await catalog.condemn_released(60, 2) == sorted(keys[:2])
        assert await catalog.released(60, 2) == keys[2:4]

    async def test_a_commit_that_is_under_way_is_waited_for(
        self, catalog: Catalog, database: Database
    ) -> None:
        new = new_object()

        async def commit(connection: AsyncConnection) -> None:
            await commit_group(connection, [new], life=LIFE)

        condemning = await self.meanwhile(database, commit, catalog.condemn([new.location.key]))
        assert await condemning == set()

    async def test_a_condemnation_that_is_under_way_is_waited_for(
        self, catalog: Catalog, database: Database
    ) -> None:
        new = new_object()

        async def condemn(connection: AsyncConnection) -> None:
            await condemned.condemn(connection, [new.location.key])

        committing = await self.meanwhile(database, condemn, catalog.commit([new]))
        assert await committing == [Swept(new.request_id, new.location.key)]

    async def test_a_copy_that_is_under_way_keeps_a_released_body(
        self, catalog: Catalog, database: Database
    ) -> None:
        first, second = (new_object(key="default/packs/1", offset=n) for n in (0, 120))
        await catalog.commit([first])
        await catalog.commit([deletion(first)])
        await release_long_ago(database, "default/packs/1")

        async def commit(connection: AsyncConnection) -> None:
            await commit_group(connection, [second], life=LIFE)

        condemning = await self.meanwhile(database, commit, catalog.condemn_released(60, 10))
        assert await condemning == []
        assert await catalog.condemn_released(60, 10) == []

    async def test_a_letter_that_is_being_recorded_is_waited_for(
        self, catalog: Catalog, database: Database
    ) -> None:
        """Also where nothing was ever committed in its body, so that there is no row to lock."""
        key = new_object().location.key

        async def record(connection: AsyncConnection) -> None:
            await dead_letter.record(connection, letter_about(body_keys=[key]))

        condemning = await self.meanwhile(database, record, catalog.condemn([key]))
        assert await condemning == set()

    async def test_two_sweeps_at_once_wait_for_each_other(
        self, catalog: Catalog, another: Catalog, database: Database
    ) -> None:
        keys = [f"default/objects/{MINT.new()}" for _ in range(200)]
        found = await asyncio.gather(
            *(one.condemn(keys if one is catalog else keys[::-1]) for one in (catalog, another) * 3)
        )
        assert all(set(keys) == one for one in found)
        assert await count(database, "bodies") == 200

    async def test_a_catalog_knows_itself_and_its_time(
        self, catalog: Catalog, another: Catalog
    ) -> None:
        assert await catalog.epoch() == await another.epoch()
        assert abs(await catalog.now() - datetime.now(UTC)) < timedelta(seconds=60)
