"""The same request again, and at the same time: one row, one answer."""

import asyncio

import msgspec

from sangraha.catalog.catalog import Catalog, Entry, Expired
from sangraha.catalog.database import Database
from sangraha.messages import CopyObject, DeleteName, Done, MoveObject, PatchInfo
from sangraha.objects import Location
from tests.contract.catalog_samples import (
    MINT,
    id_made,
    new_object,
    rejected,
)
from tests.contract.catalog_suite import (
    LIFE_SECONDS,
    CatalogSuite,
    at_name,
    count,
    done,
    located,
    numbers,
)


class RedeliveryContract(CatalogSuite):
    """Whoever commits a request first decides; everybody else is told what that was."""

    async def test_a_redelivery_returns_what_is_recorded(
        self, catalog: Catalog, database: Database
    ) -> None:
        new, refusal = new_object(), rejected()
        first = await catalog.commit([new, refusal])
        again = new_object(
            new.request_id, sha256=new.object.sha256, content_type="text/plain", key="elsewhere"
        )
        fresh = new_object()
        second = await catalog.commit([rejected(refusal.request_id, "other words"), again, fresh])
        assert second[:2] == [first[1], first[0]]
        assert second[2] == Done(request_id=fresh.request_id, object=fresh.object)
        assert (await located(catalog, new.request_id)).location == new.location
        assert await count(database, "objects") == 2
        assert await count(database, "outcomes") == 1

    async def test_the_first_verdict_on_a_request_stays(self, catalog: Catalog) -> None:
        new, refusal = new_object(), rejected()
        await catalog.commit([new, refusal])
        changed = await catalog.commit([rejected(new.request_id), new_object(refusal.request_id)])
        assert changed == [Done(request_id=new.request_id, object=new.object), refusal]
        assert await catalog.outcome(refusal.request_id) == refusal
        assert await catalog.locate([refusal.request_id]) == {}

    async def test_the_same_request_twice_in_a_group_is_one(
        self, catalog: Catalog, database: Database
    ) -> None:
        new, refusal = new_object(), rejected()
        answered = await catalog.commit([new, refusal, new, refusal])
        assert answered[:2] == answered[2:]
        assert await count(database, "objects") == 1
        assert await count(database, "outcomes") == 1

    async def test_one_request_committed_by_many_at_once_is_one(
        self, catalog: Catalog, another: Catalog, database: Database
    ) -> None:
        new = new_object()
        contents = [
            new_object(new.request_id, sha256=new.object.sha256, file_name=f"{i}.json")
            for i in range(20)
        ]
        replicas = [catalog, another] * 10
        answers = await asyncio.gather(
            *(replica.commit([mine]) for replica, mine in zip(replicas, contents, strict=True))
        )
        assert all(answer == answers[0] for answer in answers)
        assert [await catalog.outcome(new.request_id)] == answers[0]
        assert await count(database, "objects") == 1

    async def test_a_create_and_a_refusal_at_once_agree(
        self, catalog: Catalog, another: Catalog
    ) -> None:
        for _ in range(20):
            request_ids = [MINT.new() for _ in range(10)]
            creates = [new_object(i) for i in request_ids]
            refusals = [rejected(i) for i in reversed(request_ids)]
            mine, theirs = await asyncio.gather(
                catalog.commit([*creates[:5], *refusals[:5]]),
                another.commit([*refusals[5:], *creates[5:]]),
            )
            recorded = await catalog.outcomes(request_ids)
            assert {outcome.request_id: outcome for outcome in mine} == recorded
            assert {outcome.request_id: outcome for outcome in theirs} == recorded

    async def test_groups_that_overlap_wait_for_each_other(
        self, catalog: Catalog, another: Catalog
    ) -> None:
        for _ in range(5):
            first = [new_object() for _ in range(200)]
            elsewhere = [
                new_object(new.request_id, sha256=new.object.sha256) for new in reversed(first)
            ]
            for number, new in enumerate(elsewhere):
                key = f"default/packs/{number}"
                elsewhere[number] = msgspec.structs.replace(new, location=Location(key, 0, 120))
            mine, theirs = await asyncio.gather(catalog.commit(first), another.commit(elsewhere))
            assert mine == theirs[::-1]

    async def test_groups_that_share_bodies_wait_for_each_other(
        self, catalog: Catalog, another: Catalog, database: Database
    ) -> None:
        packs = [f"default/packs/{number}" for number in range(200)]
        await asyncio.gather(
            *(
                replica.commit([new_object(key=key) for key in order])
                for replica, order in [(catalog, packs), (another, packs[::-1])] * 3
            )
        )
        assert await count(database, "bodies") == 200
        assert await count(database, "objects") == 6 * 200

    async def test_what_comes_with_a_redelivery_is_judged_without_it(
        self, catalog: Catalog
    ) -> None:
        target, other = new_object(name="target"), new_object(name="other")
        await catalog.commit([target, other])
        object_id = target.request_id
        redelivered: list[Entry] = [
            new_object(name="a"),
            DeleteName(request_id=MINT.new(), bucket="default", name="other"),
            PatchInfo(request_id=MINT.new(), object_id=object_id, metadata={"times": "1"}),
            CopyObject(request_id=MINT.new(), object_id=object_id, bucket="default", name="copy"),
            MoveObject(request_id=MINT.new(), object_id=object_id, bucket="default", name="moved"),
        ]
        told = [await done(catalog, entry) for entry in redelivered]
        names = ("a", "other", "copy", "moved", "target")
        fresh = [new_object(name=name) for name in names]
        group = [one for pair in zip(redelivered, fresh, strict=True) for one in pair]
        outcomes = await catalog.commit(group)
        assert outcomes[::2] == told
        for name, new, standing in zip(
            names, fresh, ([2, 1], [3, 2, 1], [2, 1], [2, 1], [3, 2]), strict=True
        ):
            assert await at_name(catalog, name) == new.request_id
            assert await numbers(catalog, name) == standing
        assert (await located(catalog, object_id)).object.revision == 3

    async def test_what_comes_with_an_expired_request_is_judged_without_it(
        self, catalog: Catalog, database: Database
    ) -> None:
        late = new_object(id_made(LIFE_SECONDS + 10), name="a")
        fresh = new_object(name="a")
        (expired, made) = await catalog.commit([late, fresh])
        assert expired == Expired(late.request_id)
        assert made == Done(request_id=fresh.request_id, object=fresh.object, replaced=False)
        assert await numbers(catalog, "a") == [1]
        assert await count(database, "objects") == 1

    async def test_a_named_request_committed_by_many_at_once_is_one(
        self, catalog: Catalog, another: Catalog, database: Database
    ) -> None:
        for _ in range(5):
            shared, refusal = new_object(name="a"), rejected()
            groups: list[list[Entry]] = [
                [new_object(name="a"), shared, new_object(refusal.request_id, name="a")],
                [shared, refusal, new_object(name="a")],
                [rejected(shared.request_id), refusal],
            ]
            answers = await asyncio.gather(
                *(replica.commit(group) for group in groups for replica in (catalog, another))
            )
            told = {outcome.request_id: outcome for answer in answers for outcome in answer}
            assert all(told[one.request_id] == one for answer in answers for one in answer)
            assert await catalog.outcomes(list(told)) == told
