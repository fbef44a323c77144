"""Finding objects: by id, by name and by version; versions and buckets in pages."""

from datetime import timedelta
from typing import Any

import pytest

from sangraha.buckets import BucketSettings
from sangraha.catalog.catalog import Catalog, Deleted, Located
from sangraha.catalog.database import Database
from sangraha.catalog.tables import buckets
from sangraha.errors import InvalidParameter, NotFound
from sangraha.ids import made_at
from sangraha.messages import (
    CopyObject,
    CreateBucket,
    DeleteName,
    DeleteObject,
    ListVersions,
    MoveObject,
    PatchInfo,
)
from tests.contract.catalog_rows import insert_bucket
from tests.contract.catalog_samples import MINT, id_made, new_object
from tests.contract.catalog_suite import CatalogSuite


def deletion_of(name: str, bucket: str = "default") -> DeleteName:
    return DeleteName(request_id=MINT.new(), bucket=bucket, name=name)


def versions_asked(**fields: Any) -> ListVersions:
    return ListVersions(read_id=MINT.new(), **{"bucket": "default", "name": "a", **fields})


async def set_state(database: Database, bucket: str, state: str) -> None:
    async with database.write() as connection:
        await connection.execute(
            buckets.update().where(buckets.c.name == bucket).values(state=state)
        )


class LocatedContract(CatalogSuite):
    """What is live is found with its bytes; what was deleted for good is known as that."""

    async def test_an_object_is_found_with_its_revision_and_bytes(self, catalog: Catalog) -> None:
        new = new_object(name="a", key="default/packs/1", offset=7)
        await catalog.commit([new])
        patch = PatchInfo(
            request_id=MINT.new(), object_id=new.request_id, metadata={"colour": "red"}
        )
        await catalog.commit([patch])
        found = (await catalog.locate([new.request_id]))[new.request_id]
        assert isinstance(found, Located)
        assert found.location == new.location
        assert found.object.revision == 2
        assert found.object.metadata == {"colour": "red"}
        by_name = await catalog.locate_names([("default", "a", None)])
        assert by_name["default", "a", None].object == found.object
        assert by_name["default", "a", None].location == new.location

    async def test_ids_that_are_none_are_not_found(self, catalog: Catalog) -> None:
        new, marker = new_object(name="a"), deletion_of("a")
        await catalog.commit([new])
        await catalog.commit([marker])
        found = await catalog.locate([MINT.new(), marker.request_id, new.request_id])
        assert set(found) == {new.request_id}
        await catalog.commit([DeleteObject(request_id=MINT.new(), object_id=marker.request_id)])
        assert await catalog.locate([marker.request_id]) == {}

    async def test_what_was_deleted_for_good_is_known_as_deleted(self, catalog: Catalog) -> None:
        new = new_object(name="a")
        await catalog.commit([new])
        await catalog.commit([DeleteObject(request_id=MINT.new(), object_id=new.request_id)])
        assert await catalog.locate([new.request_id]) == {new.request_id: Deleted()}
        assert await catalog.locate_names([("default", "a", None), ("default", "a", 1)]) == {}

    async def test_many_names_and_versions_are_found_at_once(self, catalog: Catalog) -> None:
        first, second = new_object(name="a"), new_object(name="a")
        other, gone = new_object(name="b/ü"), new_object(name="gone")
        await catalog.commit([first, second, other, gone])
        await catalog.commit([deletion_of("gone")])
        asked = [
            ("default", "a", None),
            ("default", "a", 1),
            ("default", "a", 2),
            ("default", "a", 3),
            ("default", "b/ü", None),
            ("default", "b/ü", None),
            ("default", "gone", None),
            ("default", "gone", 1),
            ("default", "gone", 2),
            ("elsewhere", "a", None),
            ("default", "never\0", None),
            ("default", "\ud800", 1),
        ]
        found = await catalog.locate_names(asked)
        assert {key: located.object.object_id for key, located in found.items()} == {
            ("default", "a", None): second.request_id,
            ("default", "a", 1): first.request_id,
            ("default", "a", 2): second.request_id,
            ("default", "b/ü", None): other.request_id,
            ("default", "gone", 1): gone.request_id,
        }
        assert await catalog.locate_names([]) == {}

    async def test_a_name_was_modified_when_it_last_began_to_give_its_bytes(
        self, catalog: Catalog
    ) -> None:
        """By the catalog's clock, and never before: however old what comes on top may be."""
        moments = []

        async def note() -> None:
            found = await catalog.locate_names([("default", "a", None)])
            moments.append(found["default", "a", None].modified_at)

        first, second = [new_object(id_made(seconds_ago), name="a") for seconds_ago in (99, 66)]
        for version in (first, second):
            await catalog.commit([version])
            await note()
        # The first is on top again, and changed in the same commit.
        removal = DeleteObject(request_id=MINT.new(), object_id=second.request_id)
        patch = PatchInfo(
            request_id=MINT.new(), object_id=first.request_id, metadata={"colour": "red"}
        )
        await catalog.commit([removal, patch])
        await note()
        moved = new_object(id_made(88), name="b")
        await catalog.commit([moved])
        move = MoveObject(
            request_id=MINT.new(),
            object_id=moved.request_id,
            bucket="default",
            name="a",
            overwrite=True,
        )
        await catalog.commit([move])
        await note()
        gone = [
            DeleteObject(request_id=MINT.new(), object_id=one.request_id) for one in (first, moved)
        ]
        await catalog.commit(gone)
        await catalog.commit([new_object(id_made(77), name="a")])
        await note()
        assert moments == sorted(set(moments))
        assert moments[0] > first.object.created_at + timedelta(seconds=90)
        # One version stays what it is.
        by_version = await catalog.locate_names([("default", "b", 1), ("default", "a", 4)])
        assert [one.modified_at - one.object.created_at for one in by_version.values()] == [
            timedelta(0)
        ]

    async def test_how_long_it_may_be_kept_is_its_buckets_to_say(self, catalog: Catalog) -> None:
        settings = BucketSettings(name_cache_seconds=7, id_cache_seconds=77)
        new = new_object(name="a", bucket="photos")
        await catalog.commit(
            [CreateBucket(request_id=MINT.new(), bucket="photos", settings=settings), new]
        )
        by_id = (await catalog.locate([new.request_id]))[new.request_id]
        by_name = await catalog.locate_names([("photos", "a", None), ("photos", "a", 1)])
        assert isinstance(by_id, Located)
        assert by_id.max_age_seconds == 77
        assert [one.max_age_seconds for one in by_name.values()] == [7, 77]

    async def test_what_is_in_a_bucket_that_is_purged_is_not_found(
        self, catalog: Catalog, database: Database
    ) -> None:
        await insert_bucket(database, "photos")
        new = new_object(name="a", bucket="photos")
        await catalog.commit([new])
        await set_state(database, "photos", "purging")
        assert await catalog.locate([new.request_id]) == {}
        assert await catalog.locate_names([("photos", "a", None), ("photos", "a", 1)]) == {}
        with pytest.raises(NotFound):
            await catalog.list_versions(versions_asked(bucket="photos"))

    async def test_versions_come_from_the_top(self, catalog: Catalog) -> None:
        ids = [id_made(seconds) for seconds in (40, 30, 20)]
        new = [new_object(request_id, name="a") for request_id in ids]
        for one in (new[0], new[2], new[1]):
            await catalog.commit([one])
        marker = deletion_of("a")
        await catalog.commit([marker])
        page = await catalog.list_versions(versions_asked())
        assert page.next_cursor is None
        told = [(one.version, one.current, one.deleted, one.object_id) for one in page.versions]
        assert told == [
            (4, True, True, marker.request_id),
            (2, False, False, ids[2]),
            (3, False, False, ids[1]),
            (1, False, False, ids[0]),
        ]
        assert [one.object and one.object.sha256 for one in page.versions] == [
            None,
            *(one.object.sha256 for one in (new[2], new[1], new[0])),
        ]
        assert page.versions[0].created_at == made_at(marker.request_id)

    async def test_versions_that_were_deleted_for_good_are_left_out(self, catalog: Catalog) -> None:
        new = [new_object(name="a") for _ in range(3)]
        await catalog.commit(new)
        await catalog.commit([DeleteObject(request_id=MINT.new(), object_id=new[1].request_id)])
        page = await catalog.list_versions(versions_asked())
        assert [one.version for one in page.versions] == [3, 1]

    async def test_versions_come_in_pages(self, catalog: Catalog) -> None:
        ids = [id_made(seconds) for seconds in (500, 400, 300, 200, 100)]
        for number in (4, 1, 3, 0, 2):
            await catalog.commit([new_object(ids[number], name="a")])
        whole = (await catalog.list_versions(versions_asked())).versions
        found, cursor = [], None
        for count in (2, 2, 1):
            page = await catalog.list_versions(versions_asked(limit=2, cursor=cursor))
            assert len(page.versions) == count
            found += page.versions
            cursor = page.next_cursor
        assert cursor is None
        assert found == whole
        assert whole[0].object_id == ids[4]

    async def test_a_name_of_which_there_never_was_anything_has_no_versions(
        self, catalog: Catalog
    ) -> None:
        new = new_object(name="was")
        await catalog.commit([new])
        await catalog.commit([DeleteObject(request_id=MINT.new(), object_id=new.request_id)])
        for fields in ({"name": "never"}, {"name": "was"}, {"bucket": "no"}, {"name": "\0"}):
            with pytest.raises(NotFound):
                await catalog.list_versions(versions_asked(**fields))

    async def test_a_cursor_of_another_listing_is_refused(self, catalog: Catalog) -> None:
        await catalog.commit([new_object(name="a"), new_object(name="a")])
        cursor = (await catalog.list_versions(versions_asked(limit=1))).next_cursor
        assert cursor is not None
        with pytest.raises(InvalidParameter):
            await catalog.bucket_page(cursor, 10)
        for wrong in ("", "x", cursor[:-2], "WyJ2ZXJzaW9ucyIsIDk5OTk5OTk5OTk5LCAxXQ"):
            with pytest.raises(InvalidParameter):
                await catalog.list_versions(versions_asked(cursor=wrong))

    async def test_buckets_come_in_pages_by_name(
        self, catalog: Catalog, database: Database
    ) -> None:
        names = ["a-b", "a.b", "aab", "b1", "default", "zz9"]
        for name in names:
            if name != "default":
                await insert_bucket(database, name, allowed_types=["image"], max_object_bytes=5)
        await insert_bucket(database, "bye", state="deleted")
        await insert_bucket(database, "byebye", state="purging")
        found, cursor = [], None
        for _ in range(3):
            page = await catalog.bucket_page(cursor, 2)
            found += page.buckets
            cursor = page.next_cursor
        assert cursor is None
        assert [bucket.name for bucket in found] == names
        assert found[0].allowed_types == ["image"]
        assert found[0].max_object_bytes == 5
        assert found[4].revision == 1
        assert (await catalog.bucket_page(None, 100)).buckets == found

    async def test_a_copy_shares_the_bytes(self, catalog: Catalog) -> None:
        new = new_object(offset=3)
        copy = CopyObject(
            request_id=MINT.new(), object_id=new.request_id, bucket="default", name="copy"
        )
        await catalog.commit([new, copy])
        found = await catalog.locate_names([("default", "copy", None)])
        assert found["default", "copy", None].location == new.location
