"""What a commit keeps, refuses and answers."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from sangraha.catalog.catalog import Catalog, Expired, NewObject
from sangraha.catalog.database import Database
from sangraha.errors import InternalFault
from sangraha.messages import Done, Rejected
from sangraha.objects import ObjectInfo
from tests.contract.catalog_samples import (
    MINT,
    id_made,
    new_object,
    rejected,
)
from tests.contract.catalog_suite import LIFE_SECONDS, CatalogSuite, count, located

UNICODE = "Ünïcödé · 文件 · 🦚 · e\u0301 · \u202e \ufffe \U0010ffff ' \" \\ % $1 :ids"


class CommitContract(CatalogSuite):
    """A group is committed in one transaction; every request of it is answered."""

    async def test_every_field_of_an_object_is_read_back(self, catalog: Catalog) -> None:
        new = new_object(
            file_name=UNICODE,
            type="image",
            content_type="image/png",
            declared_content_type="image/x-png",
            content_encoding="gzip",
            size=2**40,
            metadata={"empty": "", UNICODE: UNICODE, "nul": "\0", "long": "x" * 8192},
            created_at=datetime(2031, 5, 6, 7, 8, 9, 123456, UTC),
            key="default/packs/ä/1",
            offset=2**41,
        )
        assert await catalog.commit([new]) == [Done(request_id=new.request_id, object=new.object)]
        there = await located(catalog, new.request_id)
        stored = there.object
        assert stored == ObjectInfo(**msgspec.structs.asdict(new.object), revision=1)
        assert there.location == new.location
        assert stored.created_at.utcoffset() == timedelta(0)
        assert list(stored.metadata) == list(new.object.metadata)
        assert await catalog.outcome(new.request_id) == Done(
            request_id=new.request_id, object=new.object
        )

    async def test_a_refusal_is_read_back(self, catalog: Catalog) -> None:
        refusal = rejected(detail=f"{UNICODE}\0")
        assert await catalog.commit([refusal]) == [refusal]
        assert await catalog.outcome(refusal.request_id) == refusal
        assert await catalog.locate([refusal.request_id]) == {}
        assert (await catalog.list_objects(type=None, page=1, page_size=10)).total == 0

    async def test_a_mixed_group_is_answered_in_its_order(self, catalog: Catalog) -> None:
        pack = "default/packs/mixed"
        group: list[NewObject | Rejected] = [
            new_object(key=pack),
            rejected(),
            new_object(key=pack, offset=120),
            new_object(),
            rejected(),
        ]
        group.reverse()
        answered = await catalog.commit(group)
        assert [outcome.request_id for outcome in answered] == [e.request_id for e in group]
        assert [type(outcome) for outcome in answered] == [Rejected, Done, Done, Rejected, Done]
        assert await catalog.outcomes([e.request_id for e in group]) == {
            outcome.request_id: outcome for outcome in answered
        }

    async def test_a_large_group_is_committed(self, catalog: Catalog) -> None:
        group = [new_object(key="default/packs/large", offset=120 * i) for i in range(2500)]
        answered = await catalog.commit(group)
        assert answered == [Done(request_id=e.request_id, object=e.object) for e in group]
        assert len(await catalog.locate([e.request_id for e in group])) == 2500

    async def test_nothing_is_committed_for_nothing(self, catalog: Catalog) -> None:
        assert await catalog.commit([]) == []
        assert await catalog.locate([]) == {}
        assert await catalog.outcomes([]) == {}

    async def test_an_unknown_request_has_no_outcome(self, catalog: Catalog) -> None:
        assert await catalog.outcome(MINT.new()) is None

    async def test_another_content_under_a_recorded_id_is_a_fault(
        self, catalog: Catalog, database: Database
    ) -> None:
        new, innocent = new_object(), new_object()
        await catalog.commit([new])
        with pytest.raises(InternalFault) as caught:
            await catalog.commit([innocent, new_object(new.request_id)])
        assert caught.value.members == {"request_id": str(new.request_id)}
        twin = MINT.new()
        with pytest.raises(InternalFault):
            await catalog.commit([new_object(twin), new_object(twin)])
        assert await count(database, "objects") == 1

    async def test_a_create_has_the_id_of_its_request(self, catalog: Catalog) -> None:
        with pytest.raises(ValueError, match="of request"):
            await catalog.commit([new_object(MINT.new(), object_id=MINT.new())])

    async def test_a_file_name_that_no_database_holds_is_rejected(self, catalog: Catalog) -> None:
        bad, good = new_object(file_name="a\0b"), new_object()
        refused, done = await catalog.commit([bad, good])
        assert isinstance(refused, Rejected)
        assert refused.problem.slug == "invalid-parameter"
        assert isinstance(done, Done)
        assert await catalog.commit([bad]) == [refused]

    async def test_objects_share_the_row_of_their_body(
        self, catalog: Catalog, database: Database
    ) -> None:
        group = [new_object(key="default/packs/1", offset=i * 120) for i in range(3)]
        await catalog.commit(group[:2])
        await catalog.commit(group)
        for new in group:
            assert (await located(catalog, new.request_id)).location == new.location
        assert await count(database, "bodies") == 1

    async def test_a_create_past_its_life_is_not_committed(
        self, catalog: Catalog, database: Database
    ) -> None:
        old, late = new_object(id_made(LIFE_SECONDS + 1)), new_object(id_made(LIFE_SECONDS - 5))
        refusal = rejected(id_made(LIFE_SECONDS + 1))
        answered = await catalog.commit([old, late, refusal])
        assert answered == [
            Expired(old.request_id),
            Done(request_id=late.request_id, object=late.object),
            refusal,
        ]
        assert await catalog.outcome(old.request_id) is None
        assert await count(database, "objects") == 1

    async def test_a_recorded_request_keeps_its_outcome_past_its_life(
        self, catalog: Catalog, catalog_url: str
    ) -> None:
        new = new_object(id_made(10))
        recorded = await catalog.commit([new])
        impatient = Catalog(catalog_url, request_life_seconds=5)
        await impatient.start()
        try:
            assert await impatient.commit([new]) == recorded
            assert await catalog.outcome(new.request_id) == recorded[0]
        finally:
            await impatient.close()
