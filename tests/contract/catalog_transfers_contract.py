"""Copies and moves: the same bytes at another place."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from sangraha.buckets import BucketSettings
from sangraha.catalog.catalog import Catalog, Deleted
from sangraha.catalog.database import Database
from sangraha.catalog.tables import bodies
from sangraha.ids import made_at
from sangraha.messages import (
    CopyObject,
    CreateBucket,
    DeleteObject,
    Done,
    MoveObject,
    PatchBucket,
)
from tests.contract.catalog_objects_contract import released
from tests.contract.catalog_samples import MINT, id_made, new_object
from tests.contract.catalog_suite import (
    CatalogSuite,
    at_name,
    count,
    done,
    located,
    made,
    numbers,
    refused,
    versions,
)


def copy(object_id: UUID, request_id: UUID | None = None, **fields: Any) -> CopyObject:
    """The object is to be copied to the name `copy`."""
    plain = {"bucket": "default", "name": "copy"}
    return CopyObject(
        request_id=request_id or MINT.new(), object_id=object_id, **{**plain, **fields}
    )


def move(object_id: UUID, request_id: UUID | None = None, **fields: Any) -> MoveObject:
    """The object is to be moved to the name `moved`."""
    plain = {"bucket": "default", "name": "moved"}
    return MoveObject(
        request_id=request_id or MINT.new(), object_id=object_id, **{**plain, **fields}
    )


def delete(object_id: UUID) -> DeleteObject:
    """The object is to be deleted."""
    return DeleteObject(request_id=MINT.new(), object_id=object_id)


async def make_bucket(catalog: Catalog, bucket: str = "photos", **settings: Any) -> None:
    """A bucket with such settings."""
    rules = BucketSettings(**settings)
    await done(catalog, CreateBucket(request_id=MINT.new(), bucket=bucket, settings=rules))


class TransfersContract(CatalogSuite):
    """A copy is another object, a moved one is still itself."""

    async def test_a_copy_shares_the_body(self, catalog: Catalog, database: Database) -> None:
        source = new_object(
            name="a", file_name="ü.json", metadata={"k": "v"}, declared_content_type="text/json"
        )
        await catalog.commit([source])
        change = copy(source.request_id)
        outcome = await done(catalog, change)
        expected = msgspec.structs.replace(
            source.object,
            object_id=change.request_id,
            request_id=change.request_id,
            name="copy",
            created_at=made_at(change.request_id),
        )
        assert outcome == Done(request_id=change.request_id, object=expected)
        assert await catalog.outcome(change.request_id) == outcome
        there = await located(catalog, change.request_id)
        assert (there.location, there.object.revision) == (source.location, 1)
        assert await count(database, "bodies") == 1
        await done(catalog, delete(source.request_id))
        assert await released(database) == set()
        await done(catalog, delete(change.request_id))
        assert await released(database) == {source.location.key}

    async def test_a_copy_may_have_no_name_and_other_metadata(self, catalog: Catalog) -> None:
        source = await made(catalog, new_object(metadata={"k": "v"}))
        copied = await made(catalog, copy(source.object_id, name=None, metadata={"x": "y"}))
        assert (copied.name, copied.version, copied.metadata) == (None, 1, {"x": "y"})

    async def test_a_name_that_is_taken_is_only_taken_over_if_wanted(
        self, catalog: Catalog
    ) -> None:
        source = await made(catalog, new_object())
        there = await made(catalog, new_object(name="copy"))
        assert await refused(catalog, copy(source.object_id)) == "already-exists"
        assert await refused(catalog, move(source.object_id, name="copy")) == "already-exists"
        outcome = await done(catalog, copy(source.object_id, overwrite=True))
        assert outcome.replaced
        assert outcome.object is not None
        assert outcome.object.version == 2
        moved = await done(catalog, move(source.object_id, name="copy", overwrite=True))
        assert moved.replaced
        assert await at_name(catalog, "copy") == source.object_id
        await catalog.commit([delete(source.object_id), delete(outcome.request_id)])
        assert await at_name(catalog, "copy") == there.object_id

    async def test_an_old_version_is_restored_by_a_copy(self, catalog: Catalog) -> None:
        old, new = [await made(catalog, new_object(name="copy")) for _ in range(2)]
        restored = await done(catalog, copy(old.object_id, overwrite=True))
        assert restored.replaced
        assert await at_name(catalog, "copy") == restored.request_id
        assert await numbers(catalog, "copy") == [3, 2, 1]
        assert new.version == 2

    @pytest.mark.parametrize("change", [copy, move])
    async def test_what_is_not_there_goes_nowhere(self, catalog: Catalog, change: Any) -> None:
        gone = await made(catalog, new_object())
        await done(catalog, delete(gone.object_id))
        assert await refused(catalog, change(gone.object_id)) == "gone"
        assert await refused(catalog, change(MINT.new())) == "not-found"
        there = await made(catalog, new_object())
        assert await refused(catalog, change(there.object_id, bucket="nowhere")) == "not-found"
        assert await refused(catalog, change(there.object_id, name="a\0")) == "invalid-parameter"

    @pytest.mark.parametrize("change", [copy, move])
    async def test_the_rules_of_the_bucket_hold(self, catalog: Catalog, change: Any) -> None:
        await make_bucket(catalog, allowed_types=["image", "text/*"], max_object_bytes=119)
        kinds: dict[str, dict[str, Any]] = {
            "type-not-allowed": {"size": 119},
            "body-too-large": {"type": "image", "content_type": "image/png"},
            "empty-body": {"type": "other", "content_type": "text/plain", "size": 0},
            "encoding-not-allowed": {
                "type": "other",
                "content_type": "text/plain",
                "content_encoding": "gzip",
                "size": 9,
            },
        }
        for slug, fields in kinds.items():
            source = await made(catalog, new_object(**fields))
            assert await refused(catalog, change(source.object_id, bucket="photos")) == slug
        fine = await made(catalog, new_object(type="other", content_type="text/csv", size=119))
        assert (await done(catalog, change(fine.object_id, bucket="photos"))).object is not None

    async def test_a_bucket_that_keeps_one_version_keeps_the_copy(self, catalog: Catalog) -> None:
        await make_bucket(catalog, versions_to_keep=1)
        first, source = await catalog.commit(
            [new_object(name="copy", bucket="photos"), new_object(name="a", bucket="photos")]
        )
        copied = await done(catalog, copy(source.request_id, bucket="photos", overwrite=True))
        assert copied.replaced
        assert await catalog.locate([first.request_id]) == {first.request_id: Deleted()}
        moved = await done(
            catalog, move(source.request_id, bucket="photos", name="copy", overwrite=True)
        )
        assert moved.replaced
        assert await at_name(catalog, "copy", "photos") == source.request_id
        assert await catalog.locate([copied.request_id]) == {copied.request_id: Deleted()}

    async def test_a_moved_object_keeps_its_id_and_leaves_a_marker(self, catalog: Catalog) -> None:
        await make_bucket(catalog)
        old, new = new_object(name="a"), new_object(name="a", metadata={"k": "v"})
        await catalog.commit([old, new])
        change = move(new.request_id, bucket="photos")
        outcome = await done(catalog, change)
        stored = msgspec.structs.replace(new.object, bucket="photos", name="moved", version=1)
        assert outcome == Done(request_id=change.request_id, object=stored, revision=2)
        assert await catalog.outcome(change.request_id) == outcome
        there = await located(catalog, new.request_id)
        assert (there.object.bucket, there.object.name, there.location) == (
            "photos",
            "moved",
            new.location,
        )
        assert await at_name(catalog, "moved", "photos") == new.request_id
        assert await at_name(catalog, "a") is None
        top, below = await versions(catalog, "a")
        assert (top.object_id, top.version, top.deleted) == (change.request_id, 3, True)
        assert below.object_id == old.request_id
        await done(catalog, delete(change.request_id))
        assert await at_name(catalog, "a") == old.request_id

    async def test_an_old_version_leaves_nothing_but_its_number(self, catalog: Catalog) -> None:
        old, new = await catalog.commit([new_object(name="a"), new_object(name="a")])
        await done(catalog, move(old.request_id))
        assert await at_name(catalog, "a") == new.request_id
        assert await numbers(catalog, "a") == [2]
        late = await made(catalog, new_object(id_made(60), name="a"))
        assert (late.version, await numbers(catalog, "a")) == (3, [2, 3])
        change = move(late.object_id, name="elsewhere")
        await done(catalog, change)
        assert await numbers(catalog, "a") == [2]
        assert (await made(catalog, new_object(name="a"))).version == 4
        assert await catalog.locate([change.request_id]) == {}

    async def test_a_nameless_object_gets_a_name(self, catalog: Catalog) -> None:
        source = await made(catalog, new_object())
        change = move(source.object_id)
        outcome = await done(catalog, change)
        assert not outcome.replaced
        assert await at_name(catalog, "moved") == source.object_id
        page = await catalog.list_objects(type=None, page=1, page_size=10)
        assert [each.name for each in page.objects] == ["moved"]

    async def test_a_move_to_its_own_name_changes_nothing(self, catalog: Catalog) -> None:
        old, new = [await made(catalog, new_object(name="moved")) for _ in range(2)]
        same = await done(catalog, move(new.object_id))
        assert (same.object, same.replaced) == (new, False)
        assert await numbers(catalog, "moved") == [2, 1]
        assert await refused(catalog, move(old.object_id)) == "already-exists"
        assert (await done(catalog, move(old.object_id, overwrite=True))).replaced
        assert await at_name(catalog, "moved") == old.object_id
        assert await numbers(catalog, "moved") == [3, 2]

    async def test_a_move_that_waited_goes_underneath(self, catalog: Catalog) -> None:
        source = await made(catalog, new_object(id_made(300), name="a"))
        current = await made(catalog, new_object(id_made(10), name="moved"))
        outcome = await done(catalog, move(source.object_id, id_made(20), overwrite=True))
        assert not outcome.replaced
        assert await at_name(catalog, "moved") == current.object_id
        assert await at_name(catalog, "a") is None
        late = await done(
            catalog, copy(source.object_id, id_made(15), name="moved", overwrite=True)
        )
        assert not late.replaced
        assert await numbers(catalog, "moved") == [1, 3, 2]

    async def test_a_write_that_waited_does_not_hide_what_was_moved_meanwhile(
        self, catalog: Catalog
    ) -> None:
        patch = PatchBucket(
            request_id=MINT.new(), bucket="default", changes={"versions_to_keep": 1}
        )
        await done(catalog, patch)
        old = await made(catalog, new_object(id_made(3000), name="draft"))
        await done(catalog, move(old.object_id))
        late = await done(catalog, new_object(id_made(1000), name="moved"))
        assert not late.replaced
        assert await at_name(catalog, "moved") == old.object_id
        third = await done(catalog, new_object(id_made(2000), name="moved"))
        assert third.object is not None
        assert await at_name(catalog, "moved") == old.object_id

    async def test_an_object_may_move_and_end_within_one_group(self, catalog: Catalog) -> None:
        new = new_object(name="a")
        moves = [move(new.request_id, name=name) for name in ("b", "c", "a")]
        await catalog.commit([new, *moves])
        assert await at_name(catalog, "a") == new.request_id
        for name in ("b", "c"):
            assert await at_name(catalog, name) is None
        copied = copy(new.request_id)
        answers = await catalog.commit([copied, move(copied.request_id), delete(copied.request_id)])
        assert all(isinstance(answer, Done) for answer in answers)
        assert await catalog.locate([copied.request_id]) == {copied.request_id: Deleted()}

    async def test_nothing_is_copied_from_a_body_that_is_being_removed(
        self, catalog: Catalog, database: Database
    ) -> None:
        source = await made(catalog, new_object())
        async with database.write() as connection:
            await connection.execute(bodies.update().values(condemned_at=source.created_at))
        assert await refused(catalog, copy(source.object_id)) == "not-found"
