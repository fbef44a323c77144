"""Writes by two replicas at once: none is lost, none is done twice, none waits for ever."""

import asyncio
import random
from typing import Any

from sangraha.buckets import BucketSettings
from sangraha.catalog.catalog import Catalog, Deleted
from sangraha.catalog.database import Database
from sangraha.messages import (
    CopyObject,
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
from tests.contract.catalog_objects_contract import released
from tests.contract.catalog_order_contract import flaws
from tests.contract.catalog_samples import MINT, new_object
from tests.contract.catalog_suite import CatalogSuite, at_name, done, located, made, versions
from tests.contract.catalog_writes import RandomWrites

WRITERS = 50


class RacesContract(CatalogSuite):
    """Whatever meets, it comes to one order."""

    async def test_one_name_written_by_many_at_once_has_them_all(
        self, catalog: Catalog, another: Catalog, database: Database
    ) -> None:
        writes = [new_object(name="a/ü") for _ in range(WRITERS)]
        replicas = (catalog, another) * (WRITERS // 2)
        answers = await asyncio.gather(
            *(replica.commit([new]) for replica, new in zip(replicas, writes, strict=True))
        )
        outcomes = [outcome for (outcome,) in answers if isinstance(outcome, Done)]
        numbers = {o.object.version: o for o in outcomes if o.object is not None}
        assert sorted(numbers) == list(range(1, WRITERS + 1))
        assert [numbers[number].replaced for number in sorted(numbers)] == [False] + [True] * 49
        found = await versions(catalog, "a/ü")
        assert {version.object_id for version in found} == {new.request_id for new in writes}
        assert [version.current for version in found] == [True] + [False] * 49
        assert found[0].object_id == numbers[WRITERS].request_id
        assert await at_name(another, "a/ü") == found[0].object_id
        assert await flaws(database) == {}

    async def test_groups_of_names_in_any_order_wait_for_each_other(
        self, catalog: Catalog, another: Catalog, database: Database
    ) -> None:
        names = [f"name {number}" for number in range(60)]
        orders = [random.Random(seed).sample(names, len(names)) for seed in range(8)]
        answers = await asyncio.gather(
            *(
                replica.commit([new_object(name=name) for name in order])
                for replica, order in zip((catalog, another) * 4, orders, strict=True)
            )
        )
        assert all(isinstance(outcome, Done) for answer in answers for outcome in answer)
        found = await versions(catalog, names[7])
        assert [version.version for version in found] == list(range(8, 0, -1))
        assert await flaws(database) == {}

    async def test_mixed_groups_at_once_all_end_and_leave_no_flaw(
        self, catalog: Catalog, another: Catalog, database: Database
    ) -> None:
        for seed in range(6):
            writes = RandomWrites(seed).some(160)
            groups = [writes[start : start + 10] for start in range(0, 160, 10)]
            again = random.Random(seed).sample(groups, 6)
            answers = await asyncio.gather(
                *(
                    replica.commit(group)
                    for replica, group in zip((catalog, another) * 11, groups + again, strict=True)
                )
            )
            assert await flaws(database) == {}
            for group, answer in zip(again, answers[len(groups) :], strict=True):
                first = answers[groups.index(group)]
                assert [type(outcome) for outcome in answer] == [type(o) for o in first]

    async def test_a_delete_racing_with_a_redelivered_create_wins(
        self, catalog: Catalog, another: Catalog
    ) -> None:
        for name in [None, "a"] * 10:
            new = new_object(name=name)
            outcome = await done(catalog, new)
            change = DeleteObject(request_id=MINT.new(), object_id=new.request_id)
            again, gone = await asyncio.gather(another.commit([new]), catalog.commit([change]))
            assert again == [outcome]
            assert gone == [Done(request_id=change.request_id)]
            assert await catalog.commit([new]) == [outcome]
            assert await catalog.locate([new.request_id]) == {new.request_id: Deleted()}

    async def test_one_change_committed_by_many_at_once_is_done_once(
        self, catalog: Catalog, another: Catalog, database: Database
    ) -> None:
        stored = await made(catalog, new_object(name="a"))
        for change in (
            PatchInfo(request_id=MINT.new(), object_id=stored.object_id, metadata={"x": "y"}),
            CopyObject(
                request_id=MINT.new(),
                object_id=stored.object_id,
                bucket="default",
                name="a",
                overwrite=True,
            ),
            MoveObject(
                request_id=MINT.new(), object_id=stored.object_id, bucket="default", name="b"
            ),
            DeleteName(request_id=MINT.new(), bucket="default", name="b"),
            DeleteObject(request_id=MINT.new(), object_id=stored.object_id),
            CreateBucket(request_id=MINT.new(), bucket="photos", settings=BucketSettings()),
            PatchBucket(request_id=MINT.new(), bucket="photos", changes={"versions_to_keep": 1}),
            DeleteBucket(request_id=MINT.new(), bucket="photos"),
        ):
            answers = await asyncio.gather(
                *(replica.commit([change]) for replica in (catalog, another) * 4)
            )
            assert isinstance(answers[0][0], Done)
            assert all(answer == answers[0] for answer in answers)
        assert await flaws(database) == {}

    async def test_of_many_patches_of_one_revision_one_is_done(
        self, catalog: Catalog, another: Catalog
    ) -> None:
        stored = await made(catalog, new_object())
        patches = [
            PatchInfo(
                request_id=MINT.new(),
                object_id=stored.object_id,
                metadata={"by": str(number)},
                revisions=[1],
            )
            for number in range(10)
        ]
        answers = await asyncio.gather(
            *(
                replica.commit([patch])
                for replica, patch in zip((catalog, another) * 5, patches, strict=True)
            )
        )
        winners = [outcome for (outcome,) in answers if isinstance(outcome, Done)]
        assert len(winners) == 1
        info = (await located(catalog, stored.object_id)).object
        assert winners[0].object is not None
        assert (info.metadata, info.revision) == (winners[0].object.metadata, 2)

    async def test_a_bucket_that_is_deleted_while_it_is_written_to_holds_nothing(
        self, catalog: Catalog, another: Catalog, database: Database
    ) -> None:
        for number in range(15):
            bucket = f"bucket-{number}"
            make = CreateBucket(request_id=MINT.new(), bucket=bucket, settings=BucketSettings())
            await done(catalog, make)
            writes: list[Any] = [
                new_object(bucket=bucket, name="a" if at % 2 else None) for at in range(4)
            ]
            end = DeleteBucket(request_id=MINT.new(), bucket=bucket, purge=number % 3 == 2)
            *written, (ended,) = await asyncio.gather(
                *(another.commit([new]) for new in writes[:2]),
                *(catalog.commit([new]) for new in writes[2:]),
                (catalog, another)[number % 2].commit([end]),
            )
            kept = [outcome for (outcome,) in written if isinstance(outcome, Done)]
            lost = [outcome for (outcome,) in written if isinstance(outcome, Rejected)]
            assert len(kept) + len(lost) == 4
            assert {refusal.problem.slug for refusal in lost} <= {"not-found"}
            if isinstance(ended, Rejected):
                assert ended.problem.slug == "bucket-not-empty"
                assert kept
                assert lost == []
            elif isinstance(ended, Underway):
                assert ended.total == len(kept) > 0
            else:
                assert kept == []
            assert await flaws(database) == {}

    async def test_an_object_that_moves_while_it_is_changed_is_changed_where_it_is(
        self, catalog: Catalog, another: Catalog, database: Database
    ) -> None:
        stored = await made(catalog, new_object(name="name 0"))
        for number in range(1, 16):
            move = MoveObject(
                request_id=MINT.new(),
                object_id=stored.object_id,
                bucket="default",
                name=f"name {number}",
            )
            patch = PatchInfo(
                request_id=MINT.new(), object_id=stored.object_id, metadata={str(number): "x"}
            )
            moved, patched = await asyncio.gather(catalog.commit([move]), another.commit([patch]))
            assert isinstance(moved[0], Done)
            assert isinstance(patched[0], Done)
        info = (await located(catalog, stored.object_id)).object
        assert (info.name, info.revision, len(info.metadata)) == ("name 15", 31, 15)
        assert await flaws(database) == {}

    async def test_a_body_shared_by_two_that_are_deleted_at_once_is_released(
        self, catalog: Catalog, another: Catalog, database: Database
    ) -> None:
        for _ in range(10):
            new = new_object()
            copy = CopyObject(request_id=MINT.new(), object_id=new.request_id, bucket="default")
            await catalog.commit([new, copy])
            await asyncio.gather(
                *(
                    replica.commit([DeleteObject(request_id=MINT.new(), object_id=object_id)])
                    for replica, object_id in (
                        (catalog, new.request_id),
                        (another, copy.request_id),
                    )
                )
            )
            assert new.location.key in await released(database)

    async def test_a_copy_racing_with_the_end_of_its_source_keeps_the_body_or_is_refused(
        self, catalog: Catalog, another: Catalog, database: Database
    ) -> None:
        for _ in range(15):
            new = new_object()
            await catalog.commit([new])
            copy = CopyObject(request_id=MINT.new(), object_id=new.request_id, bucket="default")
            end = DeleteObject(request_id=MINT.new(), object_id=new.request_id)
            (copied,), _ = await asyncio.gather(another.commit([copy]), catalog.commit([end]))
            is_released = new.location.key in await released(database)
            assert is_released == isinstance(copied, Rejected)
        assert await flaws(database) == {}
