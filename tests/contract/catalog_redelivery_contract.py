"""The same request again, and at the same time: one row, one answer."""

import asyncio

import msgspec

from sangraha.catalog.catalog import Catalog
from sangraha.catalog.database import Database
from sangraha.messages import Done
from sangraha.objects import Location
from tests.contract.catalog_samples import (
    MINT,
    new_object,
    rejected,
)
from tests.contract.catalog_suite import CatalogSuite, count, located


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
