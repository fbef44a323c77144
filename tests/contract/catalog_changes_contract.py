"""Changes that are delivered again, late, or after they were given up."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from sangraha.buckets import BucketSettings
from sangraha.catalog.catalog import Catalog, Deleted, Entry, Expired, Swept
from sangraha.catalog.database import Database
from sangraha.catalog.tables import bodies
from sangraha.messages import (
    CopyObject,
    CreateBucket,
    Dead,
    DeleteBucket,
    DeleteName,
    DeleteObject,
    Done,
    MoveObject,
    PatchBucket,
    PatchInfo,
    Precondition,
)
from sangraha.store.keys import next_key
from tests.contract.catalog_order_contract import all_rows, flaws
from tests.contract.catalog_samples import MINT, dead_letter, id_made, new_object, rejected
from tests.contract.catalog_suite import (
    LIFE_SECONDS,
    CatalogSuite,
    at_name,
    count,
    done,
    located,
    made,
    refused,
)


def every_change(seconds_ago: float, object_id: UUID) -> list[Entry]:
    """One of each kind; the object is in the default bucket at the name `a`."""

    def new_id() -> UUID:
        return id_made(seconds_ago)

    settings = BucketSettings()
    return [
        new_object(new_id(), name="a"),
        new_object(new_id()),
        CreateBucket(request_id=new_id(), bucket="photos", settings=settings),
        PatchBucket(request_id=new_id(), bucket="photos", changes={"versions_to_keep": 9}),
        CopyObject(request_id=new_id(), object_id=object_id, bucket="photos", name="a"),
        PatchInfo(request_id=new_id(), object_id=object_id, metadata={"x": "y"}),
        MoveObject(request_id=new_id(), object_id=object_id, bucket="photos", name="b"),
        DeleteName(request_id=new_id(), bucket="photos", name="b"),
        DeleteObject(request_id=new_id(), object_id=object_id),
        CreateBucket(request_id=new_id(), bucket="scans", settings=settings),
        DeleteBucket(request_id=new_id(), bucket="scans"),
        DeleteBucket(request_id=new_id(), bucket="photos"),
        DeleteBucket(request_id=new_id(), bucket="photos", purge=True),
        PatchBucket(request_id=new_id(), bucket="photos", changes={}),
        DeleteName(request_id=new_id(), bucket="default", name="nothing"),
        DeleteObject(request_id=new_id(), object_id=object_id),
    ]


async def condemn(database: Database, new: Any, *, removed: bool = False) -> None:
    """The sweep condemns the create's body, and perhaps has it removed."""
    at = new.object.created_at
    values = {"condemned_at": at, "removed_at": at if removed else None}
    row = {"key": new.location.key, "state": "live", "size": 1, "created_at": at, **values}
    async with database.write() as connection:
        found = await connection.execute(
            bodies.update().where(bodies.c.key == new.location.key).values(values)
        )
        if not found.rowcount:
            await connection.execute(bodies.insert().values(row))


class ChangesContract(CatalogSuite):
    """Whatever was decided on a change stays, however often it comes."""

    async def test_every_change_that_comes_again_is_answered_as_before(
        self, catalog: Catalog, another: Catalog, database: Database
    ) -> None:
        stored = await made(catalog, new_object(id_made(30), name="a"))
        group = every_change(20, stored.object_id)
        alone = [(await catalog.commit([entry]))[0] for entry in group]
        assert [type(outcome).__name__ for outcome in alone] == [
            *["Done"] * 11,
            "Rejected",
            "Underway",
            *["Rejected"] * 3,
        ]
        rows = await all_rows(database)
        assert await another.commit(group) == alone
        assert await another.commit(group[::-1]) == alone[::-1]
        for entry, outcome in zip(group, alone, strict=True):
            assert await another.commit([entry]) == [outcome]
            assert await catalog.outcome(entry.request_id) == outcome
        assert await all_rows(database) == rows
        assert await flaws(database) == {}

    async def test_a_change_given_twice_in_a_group_is_done_once(self, catalog: Catalog) -> None:
        stored = await made(catalog, new_object())
        change = PatchInfo(request_id=MINT.new(), object_id=stored.object_id, metadata={"a": "b"})
        first, second = await catalog.commit([change, change])
        assert first == second
        assert isinstance(first, Done)
        assert first.revision == 2

    async def test_a_create_that_comes_again_after_its_end_stays_deleted(
        self, catalog: Catalog
    ) -> None:
        for new in (new_object(name="a"), new_object()):
            outcome = await done(catalog, new)
            await done(catalog, DeleteObject(request_id=MINT.new(), object_id=new.request_id))
            assert await catalog.commit([new]) == [outcome]
            assert await catalog.locate([new.request_id]) == {new.request_id: Deleted()}
        assert await at_name(catalog, "a") is None

    async def test_a_create_that_comes_again_does_not_hide_what_came_after(
        self, catalog: Catalog
    ) -> None:
        first, second = new_object(name="a"), new_object(name="a")
        outcomes = await catalog.commit([first, second])
        assert await catalog.commit([first]) == outcomes[:1]
        assert await at_name(catalog, "a") == second.request_id
        third = await made(catalog, new_object(name="a"))
        assert third.version == 3

    async def test_a_delete_that_comes_again_spares_what_came_after(self, catalog: Catalog) -> None:
        await made(catalog, new_object(name="a"))
        change = DeleteName(request_id=MINT.new(), bucket="default", name="a")
        await done(catalog, change)
        again = await made(catalog, new_object(name="a"))
        assert await done(catalog, change) == Done(request_id=change.request_id)
        assert await at_name(catalog, "a") == again.object_id

    async def test_a_refused_change_stays_refused(self, catalog: Catalog) -> None:
        want_one = Precondition(if_match=["*"])
        new = msgspec.structs.replace(new_object(name="a"), precondition=want_one)
        (refusal,) = await catalog.commit([new])
        await made(catalog, new_object(name="a"))
        assert await catalog.commit([new]) == [refusal]
        assert await catalog.outcome(new.request_id) == refusal

    async def test_every_change_past_its_life_expires(
        self, catalog: Catalog, database: Database
    ) -> None:
        stored = await made(catalog, new_object(name="a"))
        before = await all_rows(database)
        group = every_change(LIFE_SECONDS + 5, stored.object_id)
        assert await catalog.commit(group) == [Expired(entry.request_id) for entry in group]
        assert await all_rows(database) == before

    async def test_every_dead_change_may_still_be_done(
        self, catalog: Catalog, database: Database
    ) -> None:
        stored = await made(catalog, new_object(name="a"))
        group = every_change(2 * LIFE_SECONDS, stored.object_id)
        await catalog.record_dead_letter(dead_letter(*(entry.request_id for entry in group)))
        for entry in group:
            assert isinstance(await catalog.outcome(entry.request_id), Dead)
        answers = await catalog.commit(group)
        assert not any(isinstance(outcome, Dead | Expired) for outcome in answers)
        for entry, outcome in zip(group, answers, strict=True):
            assert await catalog.outcome(entry.request_id) == outcome
        assert await flaws(database) == {}

    async def test_a_refusal_by_the_worker_and_a_change_agree(self, catalog: Catalog) -> None:
        stored = await made(catalog, new_object())
        change = DeleteObject(request_id=MINT.new(), object_id=stored.object_id)
        outcome = await done(catalog, change)
        assert await catalog.commit([rejected(change.request_id)]) == [outcome]

    async def test_nothing_is_committed_in_a_condemned_body(
        self, catalog: Catalog, database: Database
    ) -> None:
        nameless, named, fine = new_object(), new_object(name="a"), new_object(name="a")
        for new in (nameless, named):
            await condemn(database, new)
        answers = await catalog.commit([nameless, named, fine])
        assert answers[:2] == [Swept(new.request_id, new.location.key) for new in (nameless, named)]
        assert isinstance(answers[2], Done)
        assert answers[2].object is not None
        assert answers[2].object.version == 1
        assert await catalog.outcomes([nameless.request_id, named.request_id]) == {}
        assert await count(database, "objects") == 1

    async def test_a_body_that_was_removed_is_never_used_again(
        self, catalog: Catalog, database: Database
    ) -> None:
        for new in (new_object(), new_object(name="a")):
            key = new.location.key
            await condemn(database, new)
            assert await catalog.commit([new]) == [Swept(new.request_id, key)]
            await condemn(database, new, removed=True)
            assert await catalog.commit([new]) == [Swept(new.request_id, key)]
            there = msgspec.structs.replace(new.location, key=next_key(key))
            await done(catalog, msgspec.structs.replace(new, location=there))
            assert (await located(catalog, new.request_id)).location == there

    async def test_what_is_recorded_is_answered_although_its_body_is_gone(
        self, catalog: Catalog, database: Database
    ) -> None:
        new = new_object()
        outcome = await done(catalog, new)
        await done(catalog, DeleteObject(request_id=MINT.new(), object_id=new.request_id))
        await condemn(database, new, removed=True)
        assert await catalog.commit([new]) == [outcome]

    async def test_a_refused_precondition_counts_more_than_a_swept_body(
        self, catalog: Catalog, database: Database
    ) -> None:
        new = msgspec.structs.replace(
            new_object(name="a"), precondition=Precondition(if_match=["*"])
        )
        await condemn(database, new)
        assert await refused(catalog, new) == "precondition-failed"

    async def test_no_request_is_so_young_that_it_expires(self, catalog: Catalog) -> None:
        early = new_object(id_made(-timedelta(minutes=5).total_seconds()), name="a")
        await done(catalog, early)
        assert await at_name(catalog, "a") == early.request_id
