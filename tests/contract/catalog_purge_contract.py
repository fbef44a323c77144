"""Emptying a bucket in the background."""

import asyncio

import pytest

from sangraha.buckets import BucketSettings
from sangraha.catalog.catalog import Catalog, Deleted, NewObject
from sangraha.catalog.database import Database
from sangraha.catalog.purge import purge_step
from sangraha.errors import NotFound
from sangraha.messages import (
    CopyObject,
    CreateBucket,
    Dead,
    DeleteBucket,
    DeleteName,
    Done,
    ListNames,
    Underway,
)
from tests.contract.catalog_rows import moments
from tests.contract.catalog_samples import MINT, new_object
from tests.contract.catalog_samples import dead_letter as letter_about
from tests.contract.catalog_suite import CatalogSuite


class PurgeContract(CatalogSuite):
    """A bucket is emptied step by step, and its request tells how far that is."""

    async def begun(self, catalog: Catalog, *entries: NewObject | DeleteName) -> DeleteBucket:
        """A purge of the bucket `photos` that has this in it."""
        made = CreateBucket(request_id=MINT.new(), bucket="photos", settings=BucketSettings())
        for entry in (made, *entries):
            (outcome,) = await catalog.commit([entry])
            assert isinstance(outcome, Done)
        purge = DeleteBucket(request_id=MINT.new(), bucket="photos", purge=True)
        (outcome,) = await catalog.commit([purge])
        assert isinstance(outcome, Underway)
        assert outcome.done == 0
        return purge

    async def finish(self, catalog: Catalog, limit: int = 500) -> int:
        steps = 0
        while await catalog.purge_step(limit):
            steps += 1
        return steps

    async def test_all_of_a_bucket_goes_and_its_request_tells_how_far_it_is(
        self, catalog: Catalog, database: Database
    ) -> None:
        def new(name: str | None) -> NewObject:
            return new_object(bucket="photos", name=name)

        entries = [new("a"), new("a"), new("b"), new(None), new("c"), new("c"), new("a"), new(None)]
        marker = DeleteName(request_id=MINT.new(), bucket="photos", name="c")
        elsewhere = new_object(name="a")
        await catalog.commit([elsewhere])
        purge = await self.begun(catalog, *entries, marker)
        assert await catalog.outcome(purge.request_id) == Underway(
            request_id=purge.request_id, done=0, total=8
        )
        progress = []
        while await catalog.purge_step(3):
            outcome = await catalog.outcome(purge.request_id)
            if isinstance(outcome, Underway):
                assert outcome.total == 8
                progress.append(outcome.done)
        assert progress == sorted(progress)
        assert progress[-1] == 8
        assert max(b - a for a, b in zip([0, *progress], progress, strict=False)) <= 3
        assert await catalog.outcome(purge.request_id) == Done(request_id=purge.request_id)
        assert await catalog.commit([purge]) == [Done(request_id=purge.request_id)]
        for entry in entries:
            assert await catalog.locate([entry.request_id]) == {entry.request_id: Deleted()}
            assert await moments(database, entry.location.key) == (True, False, False)
        assert await catalog.locate([marker.request_id]) == {}
        assert await moments(database, elsewhere.location.key) == (False, False, False)
        assert not await catalog.purge_step(3)

    async def test_a_bucket_made_anew_is_empty(self, catalog: Catalog) -> None:
        new = new_object(bucket="photos", name="a")
        marker = DeleteName(request_id=MINT.new(), bucket="photos", name="a")
        await self.begun(catalog, new, marker, new_object(bucket="photos", name="b"))
        await self.finish(catalog)
        asked = ListNames(read_id=MINT.new(), bucket="photos")
        with pytest.raises(NotFound):
            await catalog.list_names(asked)
        again = CreateBucket(request_id=MINT.new(), bucket="photos", settings=BucketSettings())
        (outcome,) = await catalog.commit([again])
        assert isinstance(outcome, Done)
        assert (await catalog.list_names(asked)).objects == []
        (outcome,) = await catalog.commit([new_object(bucket="photos", name="a")])
        assert isinstance(outcome, Done)
        assert not outcome.replaced

    async def test_a_name_of_many_versions_takes_several_steps(self, catalog: Catalog) -> None:
        entries = [new_object(bucket="photos", name="a") for _ in range(7)]
        purge = await self.begun(catalog, *entries)
        assert await self.finish(catalog, limit=2) == 5
        assert await catalog.outcome(purge.request_id) == Done(request_id=purge.request_id)

    async def test_a_body_that_is_used_elsewhere_is_not_released(
        self, catalog: Catalog, database: Database
    ) -> None:
        new = new_object(bucket="photos")
        copy = CopyObject(request_id=MINT.new(), object_id=new.request_id, bucket="default")
        made = CreateBucket(request_id=MINT.new(), bucket="photos", settings=BucketSettings())
        await catalog.commit([made, new, copy])
        purge = DeleteBucket(request_id=MINT.new(), bucket="photos", purge=True)
        await catalog.commit([purge])
        await self.finish(catalog)
        assert await moments(database, new.location.key) == (False, False, False)

    async def test_workers_share_a_purge_and_count_each_object_once(
        self, catalog: Catalog, another: Catalog
    ) -> None:
        entries = [new_object(bucket="photos", name=f"{n}") for n in range(60)]
        purge = await self.begun(catalog, *entries)
        told = []

        async def work(worker: Catalog) -> None:
            while not isinstance(outcome := await worker.outcome(purge.request_id), Done):
                assert isinstance(outcome, Underway)
                told.append(outcome.done)
                await worker.purge_step(4)

        await asyncio.gather(*(work(worker) for worker in (catalog, another) * 2))
        assert max(told) <= 60

    async def test_whoever_is_at_a_purge_does_not_hold_the_others_up(
        self, catalog: Catalog, database: Database
    ) -> None:
        purge = await self.begun(catalog, new_object(bucket="photos"))
        async with database.write() as connection:
            assert await purge_step(connection, limit=1)
            # SQLite has one writer at a time.
            if connection.dialect.name == "postgresql":
                assert not await catalog.purge_step(1)
        await self.finish(catalog)
        assert await catalog.outcome(purge.request_id) == Done(request_id=purge.request_id)

    async def test_a_dead_letter_does_not_end_a_purge(self, catalog: Catalog) -> None:
        purge = await self.begun(catalog, new_object(bucket="photos"))
        await catalog.record_dead_letter(letter_about(purge.request_id))
        assert isinstance(await catalog.outcome(purge.request_id), Underway)
        await self.finish(catalog)
        assert await catalog.outcome(purge.request_id) == Done(request_id=purge.request_id)

    async def test_a_purge_that_was_dead_before_it_was_begun_ends_done(
        self, catalog: Catalog
    ) -> None:
        made = CreateBucket(request_id=MINT.new(), bucket="photos", settings=BucketSettings())
        purge = DeleteBucket(request_id=MINT.new(), bucket="photos", purge=True)
        await catalog.commit([made, new_object(bucket="photos")])
        await catalog.record_dead_letter(letter_about(purge.request_id))
        assert isinstance(await catalog.outcome(purge.request_id), Dead)
        await catalog.commit([purge])
        assert isinstance(await catalog.outcome(purge.request_id), Underway)
        await self.finish(catalog)
        assert await catalog.outcome(purge.request_id) == Done(request_id=purge.request_id)
