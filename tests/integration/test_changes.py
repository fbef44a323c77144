"""Every kind of write through the queue: done once, however often it is delivered."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from sangraha.buckets import BucketSettings
from sangraha.catalog.catalog import Deleted
from sangraha.messages import (
    CopyObject,
    CreateBucket,
    CreateObject,
    Dead,
    DeleteBucket,
    DeleteName,
    DeleteObject,
    Done,
    MoveObject,
    PatchBucket,
    PatchInfo,
    Rejected,
    Underway,
    WriteOutcome,
    WriteRequest,
)
from sangraha.settings import Settings
from tests.integration.conftest import House, open_house
from tests.integration.writer import Writer, aged, claim, create
from tests.waiting import eventually

LARGE = b"%PDF-" + bytes(300_000)


class Scene:
    """Objects and buckets, and one write of each kind that changes something of its own.

    Done twice, each of them would end in another way than at first.
    """

    def __init__(self, house: House) -> None:
        self.mint = house.mint
        self.deleted, self.patched, self.copied, self.moved, self.unnamed = (
            create(house, b'"%s"' % name.encode(), name=name, metadata={"a": "1"})
            for name in ("deleted", "patched", "copied", "moved", "for-good")
        )

    @property
    def before(self) -> list[WriteRequest]:
        buckets = [
            CreateBucket(request_id=self.mint.new(), bucket=name, settings=BucketSettings())
            for name in ("patched", "emptied")
        ]
        return [
            *buckets,
            self.deleted,
            self.patched,
            self.copied,
            self.moved,
            self.unnamed,
        ]

    def changes(self, inline: CreateObject, claimed: CreateObject) -> list[WriteRequest]:
        new = self.mint.new
        return [
            inline,
            claimed,
            DeleteName(request_id=new(), bucket="default", name="deleted"),
            PatchInfo(
                request_id=new(),
                object_id=self.patched.request_id,
                metadata={"a": None, "b": "2"},
                revisions=[1],
            ),
            CopyObject(
                request_id=new(), object_id=self.copied.request_id, bucket="default", name="copy"
            ),
            MoveObject(
                request_id=new(), object_id=self.moved.request_id, bucket="default", name="there"
            ),
            DeleteObject(request_id=new(), object_id=self.unnamed.request_id),
            CreateBucket(
                request_id=new(), bucket="made", settings=BucketSettings(allowed_types=["json"])
            ),
            PatchBucket(
                request_id=new(), bucket="patched", changes={"versions_to_keep": 3}, revisions=[1]
            ),
            DeleteBucket(request_id=new(), bucket="emptied"),
        ]

    async def check(self, house: House, changes: Sequence[WriteRequest]) -> None:
        """Fails unless each was done exactly once."""
        new, claimed, _, _, copy, *_ = changes
        assert await house.body_of(new.request_id) == b'"new"'
        assert await house.body_of(claimed.request_id) == LARGE
        assert await house.at("deleted") is None
        assert await house.at("moved") is None
        patched = await house.at("patched")
        assert patched is not None
        assert (patched.metadata, patched.revision) == ({"b": "2"}, 2)
        copied = await house.at("copy")
        assert copied is not None
        assert (copied.object_id, copied.version) == (copy.request_id, 1)
        there = await house.at("there")
        assert there is not None
        assert (there.object_id, there.version) == (self.moved.request_id, 1)
        for one in (copied, there):
            assert await house.body_of(one.object_id) is not None
        for_good = await house.catalog.locate([self.unnamed.request_id])
        assert isinstance(for_good[self.unnamed.request_id], Deleted)
        buckets = await house.catalog.buckets(["made", "patched", "emptied"])
        assert {name: bucket.revision for name, bucket in buckets.items()} == {
            "made": 1,
            "patched": 2,
        }
        assert buckets["patched"].versions_to_keep == 3


async def prepared(house: House, writer: Writer) -> tuple[Scene, list[WriteRequest]]:
    scene = Scene(house)
    outcomes = await writer.send(*scene.before)
    assert all(isinstance(one, Done) for one in outcomes), outcomes
    inline = create(house, b'"new"', name="new")
    claimed = await claim(house, LARGE, name="large", file_name="large.bin")
    return scene, scene.changes(inline, claimed)


async def test_each_kind_of_write_is_done_once_and_answered_alike_however_often_it_comes(
    house: House,
) -> None:
    writer = await Writer(house).open()
    scene, changes = await prepared(house, writer)
    first = await writer.send(*changes)
    assert all(isinstance(one, Done) for one in first), first
    await scene.check(house, changes)
    assert await writer.send(*changes) == first
    # Each in a group of its own, all at once.
    assert await asyncio.gather(*(writer.one(change) for change in changes)) == first
    await scene.check(house, changes)
    told = await house.catalog.outcomes([change.request_id for change in changes])
    assert [told[change.request_id] for change in changes] == first


async def test_what_is_done_says_what_came_of_it(house: House) -> None:
    writer = await Writer(house).open()
    scene, changes = await prepared(house, writer)
    told = {
        type(change): outcome
        for change, outcome in zip(changes, await writer.send(*changes), strict=True)
        if isinstance(outcome, Done)
    }
    patched = told[PatchInfo]
    assert patched.object is not None
    assert (patched.object.object_id, patched.revision) == (scene.patched.request_id, 2)
    copy = told[CopyObject].object
    assert copy is not None
    assert (copy.name, copy.metadata, copy.size) == ("copy", {"a": "1"}, 8)
    moved = told[MoveObject].object
    assert moved is not None
    assert (moved.object_id, moved.name) == (scene.moved.request_id, "there")
    made, changed = told[CreateBucket].bucket, told[PatchBucket].bucket
    assert made is not None
    assert changed is not None
    assert (made.name, made.allowed_types, made.revision) == ("made", ["json"], 1)
    assert (changed.name, changed.versions_to_keep, changed.revision) == ("patched", 3, 2)
    for kind in (DeleteName, DeleteObject, DeleteBucket):
        assert (told[kind].object, told[kind].bucket) == (None, None)


async def test_a_write_whose_worker_ended_between_commit_and_ack_is_done_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(settings) as house:
        writer = await Writer(house).open()
        scene, changes = await prepared(house, writer)
        told: list[Any] = []
        commit = house.catalog.commit

        async def commit_and_stop(entries: Any) -> Any:
            told.extend(await commit(entries))
            await asyncio.Event().wait()

        monkeypatch.setattr(house.catalog, "commit", commit_and_stop)
        for change in changes:
            await writer.publish_group(house.mint.new(), change)
        await eventually(lambda: len(told) == len(changes))
        (orchestrator,) = [s for s in house.composition.services if s.name == "orchestrator"]
        await orchestrator.drain(0.1)

    first = {outcome.request_id: outcome for outcome in told}
    assert all(isinstance(outcome, Done) for outcome in told), told
    async with open_house(settings) as house:
        redelivered = {"queue": "object_write_queue"}

        async def all_again() -> bool:
            again = house.metric("sangraha_redeliveries_total", **redelivered)
            outcomes = house.metric("sangraha_write_outcomes_total", outcome="done")
            return again == len(changes) and outcomes == len(changes)

        await eventually(all_again, within_seconds=30)
        await scene.check(house, changes)
        assert await house.catalog.outcomes(list(first)) == first


async def test_one_refused_change_harms_none_of_its_neighbours(house: House) -> None:
    writer = await Writer(house).open()
    scene, changes = await prepared(house, writer)
    new = house.mint.new
    unknown = new()
    bad: list[WriteRequest] = [
        DeleteName(request_id=new(), bucket="default", name="never there"),
        DeleteName(request_id=new(), bucket="nowhere", name="deleted"),
        DeleteObject(request_id=new(), object_id=unknown),
        PatchInfo(request_id=new(), object_id=unknown, metadata={}),
        PatchInfo(request_id=new(), object_id=scene.copied.request_id, metadata={}, revisions=[7]),
        CopyObject(request_id=new(), object_id=unknown, bucket="default"),
        CopyObject(
            request_id=new(),
            object_id=scene.copied.request_id,
            bucket="default",
            name=scene.copied.name,
        ),
        MoveObject(request_id=new(), object_id=scene.copied.request_id, bucket="nowhere", name="x"),
        CreateBucket(request_id=new(), bucket="default", settings=BucketSettings()),
        PatchBucket(request_id=new(), bucket="nowhere", changes={}),
        DeleteBucket(request_id=new(), bucket="default"),
        create(house, b"1", bucket="nowhere"),
    ]
    mixed = [one for pair in zip(changes, bad, strict=False) for one in pair]
    mixed += bad[len(changes) :]
    outcomes = await writer.send(*mixed)
    ended = {outcome.request_id: outcome for outcome in outcomes}
    assert all(isinstance(ended[one.request_id], Done) for one in changes)
    refused = [ended[one.request_id] for one in bad]
    assert [one.problem.slug for one in refused if isinstance(one, Rejected)] == [
        *("not-found", "not-found", "not-found", "not-found", "precondition-failed"),
        *("not-found", "already-exists", "not-found", "already-exists", "not-found"),
        *("invalid-parameter", "not-found"),
    ]
    await scene.check(house, changes)
    assert await writer.send(*mixed) == outcomes


async def test_a_bucket_that_is_purged_is_emptied_in_the_background(house: House) -> None:
    writer = await Writer(house).open()
    new = house.mint.new
    await writer.one(CreateBucket(request_id=new(), bucket="old", settings=BucketSettings()))
    objects = [create(house, b"%d" % at, bucket="old", name=f"{at % 7}") for at in range(20)]
    await writer.send(*objects)
    refused = await writer.one(DeleteBucket(request_id=new(), bucket="old"))
    assert isinstance(refused, Rejected)
    assert refused.problem.slug == "bucket-not-empty"
    purge = DeleteBucket(request_id=new(), bucket="old", purge=True)
    assert await writer.one(purge) == Underway(request_id=purge.request_id, done=0, total=20)

    async def emptied() -> WriteOutcome | None:
        outcome = await house.catalog.outcome(purge.request_id)
        return outcome if isinstance(outcome, Done) else None

    assert await eventually(emptied) == Done(request_id=purge.request_id)
    located = await house.catalog.locate([one.request_id for one in objects])
    assert all(isinstance(one, Deleted) for one in located.values())
    assert await house.catalog.buckets(["old"]) == {}
    # A second delivery finds it ended, and a bucket of that name may be made again.
    assert await writer.one(purge) == Done(request_id=purge.request_id)
    again = CreateBucket(request_id=new(), bucket="old", settings=BucketSettings())
    assert isinstance(await writer.one(again), Done)


async def test_a_change_older_than_any_may_be_is_set_aside_alone(house: House) -> None:
    writer = await Writer(house).open()
    scene, changes = await prepared(house, writer)
    life = house.settings.request_life_seconds
    stale = [
        msgspec.structs.replace(change, request_id=aged(house, life + 60)) for change in changes[2:]
    ]
    fresh = create(house, b"1")
    outcomes = await writer.send(*stale, fresh)
    assert [type(one) for one in outcomes] == [*[Dead] * len(stale), Done]
    letters = await house.catalog.dead_letters(limit=100)
    assert {tuple(one.request_ids) for one in letters} == {(one.request_id,) for one in stale}
    assert {one.fault.error for one in letters} == {"expired"}
    # Nothing of them was done: the fresh ones still can.
    assert all(isinstance(one, Done) for one in await writer.send(*changes))
    await scene.check(house, changes)
