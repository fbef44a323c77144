"""Buckets: made, given other rules, deleted."""

from typing import Any

import msgspec
import pytest

from sangraha.buckets import Bucket, BucketSettings
from sangraha.catalog.catalog import Catalog, Deleted, NewObject, RulesChangedError
from sangraha.catalog.database import Database
from sangraha.ids import made_at
from sangraha.messages import (
    CreateBucket,
    DeleteBucket,
    DeleteName,
    DeleteObject,
    Done,
    MoveObject,
    PatchBucket,
    PatchInfo,
    Rejected,
    Underway,
)
from sangraha.metadata import MAX_METADATA_BYTES
from tests.contract.catalog_order_contract import flaws
from tests.contract.catalog_samples import MINT, new_object
from tests.contract.catalog_suite import CatalogSuite, at_name, count, done, made, refused


def create(bucket: str = "photos", **settings: Any) -> CreateBucket:
    """The bucket is to be made."""
    rules = BucketSettings(**settings)
    return CreateBucket(request_id=MINT.new(), bucket=bucket, settings=rules)


def patch(
    bucket: str = "photos", revisions: list[int] | None = None, **changes: Any
) -> PatchBucket:
    """The bucket's rules are to be changed."""
    return PatchBucket(request_id=MINT.new(), bucket=bucket, changes=changes, revisions=revisions)


def delete(bucket: str = "photos", *, purge: bool = False) -> DeleteBucket:
    """The bucket is to be deleted."""
    return DeleteBucket(request_id=MINT.new(), bucket=bucket, purge=purge)


def judged_by(revision: int, *, bucket: str = "photos", name: str | None = None) -> NewObject:
    """A create that was judged by this revision of its bucket."""
    return msgspec.structs.replace(new_object(bucket=bucket, name=name), bucket_revision=revision)


async def the_bucket(catalog: Catalog, change: CreateBucket | PatchBucket) -> Bucket:
    """The bucket that comes of the change."""
    bucket = (await done(catalog, change)).bucket
    assert bucket is not None
    return bucket


class BucketsContract(CatalogSuite):
    """A bucket has rules, and is only deleted when it is empty."""

    async def test_the_default_bucket_is_there(self, catalog: Catalog) -> None:
        found = await catalog.buckets(["default", "photos", "default"])
        assert list(found) == ["default"]
        default = found["default"]
        plain = BucketSettings()
        assert {name: getattr(default, name) for name in plain.__struct_fields__} == (
            msgspec.structs.asdict(plain)
        )
        assert default.revision == 1
        assert await catalog.buckets([]) == {}

    async def test_every_rule_of_a_bucket_is_read_back(self, catalog: Catalog) -> None:
        rules: dict[str, Any] = {
            "allowed_types": ["json", "text/*"],
            "max_object_bytes": 2**40,
            "versions_to_keep": 3,
            "default_metadata": {"ü": "\U0010ffff"},
            "name_cache_seconds": 60,
            "id_cache_seconds": 0,
        }
        change = create(**rules)
        bucket = await the_bucket(catalog, change)
        assert bucket == Bucket(
            name="photos", created_at=made_at(change.request_id), revision=1, **rules
        )
        assert await catalog.buckets(["photos"]) == {"photos": bucket}
        assert await catalog.outcome(change.request_id) == Done(
            request_id=change.request_id, bucket=bucket
        )

    async def test_a_bucket_is_made_once(self, catalog: Catalog) -> None:
        await done(catalog, create(versions_to_keep=1))
        assert await refused(catalog, create()) == "already-exists"
        assert await refused(catalog, create("default")) == "already-exists"
        assert (await catalog.buckets(["photos"]))["photos"].versions_to_keep == 1

    async def test_rules_are_merged(self, catalog: Catalog) -> None:
        metadata = {"a": "1", "b": "2"}
        await done(catalog, create(default_metadata=metadata, versions_to_keep=2))
        change = patch(default_metadata={"b": None, "c": "3"}, versions_to_keep=None)
        bucket = await the_bucket(catalog, change)
        assert bucket.default_metadata == {"a": "1", "c": "3"}
        assert (bucket.versions_to_keep, bucket.revision) == (None, 2)
        again = await the_bucket(catalog, patch(id_cache_seconds=1, default_metadata=None))
        assert (again.default_metadata, again.id_cache_seconds, again.revision) == ({}, 1, 3)
        back = await the_bucket(catalog, patch(id_cache_seconds=None))
        assert back.id_cache_seconds == BucketSettings().id_cache_seconds
        assert await catalog.buckets(["photos"]) == {"photos": back}

    async def test_patches_make_no_more_default_metadata_than_an_object_may_have(
        self, catalog: Catalog
    ) -> None:
        most = MAX_METADATA_BYTES - 1
        await done(catalog, create(default_metadata={"a": "x" * most}))
        assert await refused(catalog, patch(default_metadata={"b": ""})) == "invalid-parameter"
        await done(catalog, patch(default_metadata={"a": None, "b": "x" * most}))

    async def test_a_patch_names_the_revision_it_is_a_change_of(self, catalog: Catalog) -> None:
        await done(catalog, create())
        assert await refused(catalog, patch(revisions=[2])) == "precondition-failed"
        await done(catalog, patch(revisions=[7, 1], versions_to_keep=1))
        assert await refused(catalog, patch(revisions=[1])) == "precondition-failed"
        assert await refused(catalog, patch("nowhere")) == "not-found"
        assert await refused(catalog, patch(versions_to_keep="many")) == "invalid-parameter"
        assert (await the_bucket(catalog, patch("default", versions_to_keep=9))).revision == 2

    async def test_a_bucket_that_holds_objects_is_not_deleted(self, catalog: Catalog) -> None:
        await done(catalog, create())
        nameless = new_object(bucket="photos")
        old, new = new_object(bucket="photos", name="a"), new_object(bucket="photos", name="a")
        await catalog.commit([nameless, old, new])
        marker = DeleteName(request_id=MINT.new(), bucket="photos", name="a")
        await done(catalog, marker)
        for held in (nameless, old, new):
            assert await refused(catalog, delete()) == "bucket-not-empty"
            await done(catalog, DeleteObject(request_id=MINT.new(), object_id=held.request_id))
        change = delete()
        assert await done(catalog, change) == Done(request_id=change.request_id)
        assert await catalog.buckets(["photos"]) == {}
        assert await refused(catalog, delete()) == "not-found"
        assert await refused(catalog, patch()) == "not-found"
        assert await catalog.locate([old.request_id]) == {old.request_id: Deleted()}

    async def test_the_default_bucket_stays(self, catalog: Catalog) -> None:
        for purge in (False, True):
            assert await refused(catalog, delete("default", purge=purge)) == "invalid-parameter"
        assert await refused(catalog, delete("nowhere")) == "not-found"

    async def test_a_bucket_can_be_made_anew(self, catalog: Catalog) -> None:
        await done(catalog, create(versions_to_keep=1))
        await done(catalog, patch(versions_to_keep=2))
        old = await made(catalog, new_object(bucket="photos", name="a"))
        marker = DeleteName(request_id=MINT.new(), bucket="photos", name="a")
        await catalog.commit([marker, DeleteObject(request_id=MINT.new(), object_id=old.object_id)])
        await done(catalog, delete())
        anew = await the_bucket(catalog, create())
        assert (anew.versions_to_keep, anew.revision) == (None, 3)
        outcome = await done(catalog, new_object(bucket="photos", name="a"))
        assert outcome.object is not None
        assert (outcome.object.version, outcome.replaced) == (3, False)
        assert await at_name(catalog, "a", "photos") == outcome.request_id
        refusal = await refused(
            catalog, DeleteObject(request_id=MINT.new(), object_id=marker.request_id)
        )
        assert refusal == "not-found"

    async def test_a_group_may_make_fill_empty_and_delete_a_bucket(
        self, catalog: Catalog, database: Database
    ) -> None:
        new = new_object(bucket="photos", name="a")
        nameless = new_object(bucket="photos")
        group: list[Any] = [
            new_object(bucket="photos"),
            create(),
            new,
            nameless,
            delete(),
            DeleteObject(request_id=MINT.new(), object_id=new.request_id),
            delete(),
            DeleteObject(request_id=MINT.new(), object_id=nameless.request_id),
            delete(),
            new_object(bucket="photos"),
            create(),
            new_object(bucket="photos", name="a"),
        ]
        kinds = [type(outcome) for outcome in await catalog.commit(group)]
        assert kinds == [
            Rejected,
            *[Done] * 3,
            Rejected,
            Done,
            Rejected,
            Done,
            Done,
            Rejected,
            Done,
            Done,
        ]
        assert await at_name(catalog, "a", "photos") == group[-1].request_id
        assert await count(database, "buckets") == 2

    async def test_nothing_is_put_into_a_bucket_after_its_end_in_the_same_group(
        self, catalog: Catalog, database: Database
    ) -> None:
        await done(catalog, create())
        before, after = new_object(bucket="photos"), new_object(bucket="photos")
        kept = await catalog.commit([before, delete()])
        assert [type(outcome) for outcome in kept] == [Done, Rejected]
        end = DeleteObject(request_id=MINT.new(), object_id=before.request_id)
        lost = await catalog.commit([end, delete(), after])
        assert [type(outcome) for outcome in lost] == [Done, Done, Rejected]
        assert await flaws(database) == {}

    async def test_a_full_bucket_is_purged_in_the_background(
        self, catalog: Catalog, database: Database
    ) -> None:
        await done(catalog, create())
        held = [new_object(bucket="photos", name=name) for name in ("a", "a", "b", None, None)]
        marker = DeleteName(request_id=MINT.new(), bucket="photos", name="b")
        await catalog.commit([*held, marker])
        change = delete(purge=True)
        begun = Underway(request_id=change.request_id, done=0, total=5)
        assert await catalog.commit([change]) == [begun]
        assert await catalog.commit([change, change]) == [begun, begun]
        assert await catalog.outcome(change.request_id) == begun
        assert await catalog.buckets(["photos"]) == {}
        assert await count(database, "purges") == 1

        target = held[0].request_id
        for lost in (
            new_object(bucket="photos"),
            new_object(bucket="photos", name="c"),
            DeleteObject(request_id=MINT.new(), object_id=target),
            DeleteObject(request_id=MINT.new(), object_id=marker.request_id),
            DeleteName(request_id=MINT.new(), bucket="photos", name="a"),
            PatchInfo(request_id=MINT.new(), object_id=target, metadata={}),
            MoveObject(request_id=MINT.new(), object_id=target, bucket="default", name="a"),
            patch(),
            delete(),
            delete(purge=True),
        ):
            assert await refused(catalog, lost) == "not-found"
        assert await refused(catalog, create()) == "already-exists"

        while await catalog.purge_step(2):
            pass
        assert await catalog.commit([change]) == [Done(request_id=change.request_id)]
        await done(catalog, create())
        assert (await made(catalog, new_object(bucket="photos", name="b"))).version == 3

    async def test_a_purge_of_an_empty_bucket_is_done_at_once(self, catalog: Catalog) -> None:
        await done(catalog, create())
        change = delete(purge=True)
        assert await done(catalog, change) == Done(request_id=change.request_id)

    async def test_a_bucket_name_that_no_database_holds_is_rejected(self, catalog: Catalog) -> None:
        assert await refused(catalog, create("a\0b")) == "invalid-parameter"

    @pytest.mark.parametrize("name", [None, "a"])
    async def test_what_other_rules_judged_is_to_be_judged_again(
        self, catalog: Catalog, another: Catalog, database: Database, name: str | None
    ) -> None:
        await done(catalog, create())
        await done(catalog, judged_by(1, name=name))
        await done(another, patch(max_object_bytes=1))
        before = await count(database, "objects")
        group = [new_object(name="b"), judged_by(1, name=name)]
        with pytest.raises(RulesChangedError):
            await catalog.commit(group)
        assert await count(database, "objects") == before
        assert await catalog.outcomes([new.request_id for new in group]) == {}
        await done(catalog, judged_by(2, name=name))

    @pytest.mark.parametrize("name", [None, "a"])
    async def test_so_is_what_the_default_buckets_did(
        self, catalog: Catalog, another: Catalog, name: str | None
    ) -> None:
        await done(catalog, judged_by(1, bucket="default", name=name))
        await done(another, patch("default", max_object_bytes=1))
        with pytest.raises(RulesChangedError):
            await catalog.commit([judged_by(1, bucket="default", name=name)])
        await done(catalog, judged_by(2, bucket="default", name=name))

    @pytest.mark.parametrize("name", [None, "a"])
    async def test_so_is_what_a_buckets_did_that_is_gone(
        self, catalog: Catalog, another: Catalog, name: str | None
    ) -> None:
        with pytest.raises(RulesChangedError):
            await catalog.commit([judged_by(1, name=name)])
        await done(catalog, create())
        await done(another, delete())
        with pytest.raises(RulesChangedError):
            await catalog.commit([judged_by(1, name=name)])
        await done(another, create())
        with pytest.raises(RulesChangedError):
            await catalog.commit([judged_by(1, name=name)])
        await done(catalog, judged_by(2, name=name))
