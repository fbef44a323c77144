"""Lists of objects and of workers."""

from datetime import UTC, datetime, timedelta

from sangraha.buckets import BucketSettings
from sangraha.catalog.catalog import Catalog, Deleted, Located
from sangraha.catalog.database import Database
from sangraha.catalog.tables import objects, workers
from sangraha.messages import CreateBucket, DeleteName
from tests.contract.catalog_samples import (
    MINT,
    beat,
    id_made,
    new_object,
)
from tests.contract.catalog_suite import CatalogSuite, count


async def silence(database: Database, worker_id: str, since: timedelta) -> None:
    """Move the worker's last beat into the past."""
    async with database.write() as connection:
        await connection.execute(
            workers.update()
            .where(workers.c.worker_id == worker_id)
            .values(last_beat_at=datetime.now(UTC) - since)
        )


class ListsContract(CatalogSuite):
    """Newest first, with totals; workers with their age."""

    async def test_lists_are_newest_first_in_pages(self, catalog: Catalog) -> None:
        group = [
            new_object(id_made(seconds), type=kind)
            for seconds, kind in [(5, "pdf"), (1, "json"), (4, "image"), (2, "pdf"), (3, "pdf")]
        ]
        await catalog.commit(group)
        newest = [group[i].object for i in (1, 3, 4, 2, 0)]
        page = await catalog.list_objects(type=None, page=2, page_size=2)
        assert (page.total, page.total_pages, page.current_page, page.page_size) == (5, 3, 2, 2)
        assert page.objects == newest[2:4]
        last = await catalog.list_objects(type=None, page=3, page_size=2)
        assert last.objects == newest[4:]
        pdfs = await catalog.list_objects(type="pdf", page=1, page_size=2)
        assert (pdfs.total, pdfs.total_pages) == (3, 2)
        assert pdfs.objects == [group[3].object, group[4].object]

    async def test_a_page_past_the_end_is_empty(self, catalog: Catalog) -> None:
        empty = await catalog.list_objects(type=None, page=1, page_size=20)
        assert (empty.total, empty.total_pages, empty.objects) == (0, 0, [])
        await catalog.commit([new_object(type="pdf")])
        for page in (2, 2**70):
            beyond = await catalog.list_objects(type="pdf", page=page, page_size=100)
            assert (beyond.total, beyond.total_pages, beyond.objects) == (1, 1, [])
            assert beyond.current_page == page

    async def test_a_deleted_object_is_neither_found_nor_listed(
        self, catalog: Catalog, database: Database
    ) -> None:
        kept, gone = new_object(), new_object()
        recorded = await catalog.commit([kept, gone])
        async with database.write() as connection:
            deleted = objects.update().where(objects.c.object_id == gone.request_id)
            await connection.execute(deleted.values(state="deleted"))
        found = await catalog.locate([kept.request_id, gone.request_id])
        assert found[gone.request_id] == Deleted()
        assert isinstance(found[kept.request_id], Located)
        for kind in ("json", None):
            page = await catalog.list_objects(type=kind, page=1, page_size=10)
            assert (page.total, page.objects) == (1, [kept.object])
        assert await catalog.commit([gone]) == recorded[1:]

    async def test_what_is_not_current_is_not_listed(self, catalog: Catalog) -> None:
        old, new, gone = (new_object(name=name) for name in ("a", "a", "b"))
        elsewhere = new_object(bucket="photos")
        made = CreateBucket(request_id=MINT.new(), bucket="photos", settings=BucketSettings())
        deletion = DeleteName(request_id=MINT.new(), bucket="default", name="b")
        await catalog.commit([made, old, new, gone, deletion, elsewhere])
        for kind in ("json", None):
            page = await catalog.list_objects(type=kind, page=1, page_size=10)
            assert [stored.object_id for stored in page.objects] == [new.request_id]
            assert page.total == 1

    async def test_workers_tell_of_themselves(self, catalog: Catalog, another: Catalog) -> None:
        await catalog.beat(beat("one"))
        (first,) = await another.workers()
        await another.beat(beat("two", started_at=datetime(2032, 1, 1, tzinfo=UTC)))
        await catalog.beat(beat("one", in_flight=0, done=7))
        one, two = await catalog.workers()
        assert (one.worker_id, one.in_flight, one.done) == ("one", 0, 7)
        assert one.last_beat_at > first.last_beat_at
        assert (two.host, two.pid, two.in_flight, two.done) == ("worker-1", 4711, 3, 5 * 10**9)
        assert two.started_at == datetime(2032, 1, 1, tzinfo=UTC)
        assert 0 <= one.age_seconds <= two.age_seconds < 10
        await catalog.forget_worker("one")
        assert [worker.worker_id for worker in await another.workers()] == ["two"]

    async def test_silent_workers_age_and_leave_after_a_day(
        self, catalog: Catalog, database: Database
    ) -> None:
        for worker_id in ("lost", "gone"):
            await catalog.beat(beat(worker_id))
        await silence(database, "lost", timedelta(minutes=5))
        await silence(database, "gone", timedelta(hours=25))
        (lost,) = await catalog.workers()
        assert 300 <= lost.age_seconds < 310
        await catalog.beat(beat("new"))
        assert await count(database, "workers") == 2

    async def test_a_catalog_that_answers_passes_its_check(self, catalog: Catalog) -> None:
        await catalog.check()
