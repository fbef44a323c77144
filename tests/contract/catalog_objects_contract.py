"""Changes of one object: deleted for good, brought back, described."""

from typing import Any
from uuid import UUID

import msgspec

from sangraha.catalog.catalog import Catalog, Deleted
from sangraha.catalog.database import Database
from sangraha.catalog.tables import bodies
from sangraha.messages import DeleteName, DeleteObject, Done, PatchInfo, Precondition
from tests.contract.catalog_samples import MINT, id_made, new_object
from tests.contract.catalog_suite import (
    CatalogSuite,
    at_name,
    done,
    located,
    made,
    numbers,
    refused,
)


async def released(database: Database) -> set[str]:
    """The keys of the bodies in which nothing is any more."""
    async with database.read() as connection:
        found = await connection.execute(bodies.select().where(bodies.c.released_at.is_not(None)))
        return {row.key for row in found}


def delete(object_id: UUID, **fields: Any) -> DeleteObject:
    """The object is to be deleted."""
    return DeleteObject(request_id=MINT.new(), object_id=object_id, **fields)


def patch(object_id: UUID, **fields: Any) -> PatchInfo:
    """The object's metadata is to be changed."""
    return PatchInfo(request_id=MINT.new(), object_id=object_id, **{"metadata": {}, **fields})


class ObjectsContract(CatalogSuite):
    """An object is changed by its id, whatever name it has."""

    async def test_a_deleted_object_is_gone_and_its_body_is_released(
        self, catalog: Catalog, database: Database
    ) -> None:
        nameless, named, kept = new_object(), new_object(name="a"), new_object()
        await catalog.commit([nameless, named, kept])
        for new in (nameless, named):
            change = delete(new.request_id)
            assert await done(catalog, change) == Done(request_id=change.request_id)
            assert await catalog.locate([new.request_id]) == {new.request_id: Deleted()}
            assert await refused(catalog, delete(new.request_id)) == "gone"
        assert await released(database) == {nameless.location.key, named.location.key}
        page = await catalog.list_objects(type=None, page=1, page_size=10)
        assert page.objects == [kept.object]

    async def test_what_was_never_an_object_cannot_be_deleted(self, catalog: Catalog) -> None:
        assert await refused(catalog, delete(MINT.new())) == "not-found"
        await made(catalog, new_object(name="a"))
        marker = DeleteName(request_id=MINT.new(), bucket="default", name="a")
        await done(catalog, marker)
        await done(catalog, delete(marker.request_id))
        assert await refused(catalog, delete(marker.request_id)) == "not-found"
        assert await refused(catalog, patch(marker.request_id)) == "not-found"

    async def test_a_body_is_released_with_the_last_object_in_it(
        self, catalog: Catalog, database: Database
    ) -> None:
        pack = [new_object(key="default/packs/1", offset=120 * at) for at in range(3)]
        await catalog.commit(pack)
        await catalog.commit([delete(pack[0].request_id), delete(pack[2].request_id)])
        assert await released(database) == set()
        await catalog.commit([delete(pack[1].request_id)])
        assert await released(database) == {"default/packs/1"}
        await catalog.commit(pack)
        assert await released(database) == {"default/packs/1"}
        for name in (None, "a"):
            new = new_object(name=name, key="default/packs/1", offset=360)
            await catalog.commit([new])
            assert await released(database) == set()
            await catalog.commit([delete(new.request_id)])
            assert await released(database) == {"default/packs/1"}

    async def test_a_marker_can_be_taken_away(self, catalog: Catalog) -> None:
        stored = await made(catalog, new_object(name="a"))
        first, second = (
            DeleteName(request_id=MINT.new(), bucket="default", name="a") for _ in range(2)
        )
        await done(catalog, first)
        again = await made(catalog, new_object(name="a"))
        await done(catalog, second)
        change = delete(second.request_id)
        assert await done(catalog, change) == Done(request_id=change.request_id)
        assert await at_name(catalog, "a") == again.object_id
        await catalog.commit([delete(first.request_id), delete(again.object_id)])
        assert await at_name(catalog, "a") == stored.object_id
        assert await numbers(catalog, "a") == [1]

    async def test_a_marker_below_can_be_taken_away_too(self, catalog: Catalog) -> None:
        await made(catalog, new_object(name="a"))
        marker = DeleteName(request_id=MINT.new(), bucket="default", name="a")
        await done(catalog, marker)
        top = await made(catalog, new_object(name="a"))
        await done(catalog, delete(marker.request_id))
        assert await at_name(catalog, "a") == top.object_id
        assert await numbers(catalog, "a") == [3, 1]

    async def test_a_precondition_is_judged_against_that_version(self, catalog: Catalog) -> None:
        old = await made(catalog, new_object(name="a"))
        new = await made(catalog, new_object(name="a"))
        marker = DeleteName(request_id=MINT.new(), bucket="default", name="a")
        await done(catalog, marker)
        wrong = Precondition(if_match=[new.sha256])
        right = Precondition(if_match=[old.sha256])
        for object_id, precondition in [
            (old.object_id, wrong),
            (old.object_id, Precondition(if_none_match=["*"])),
            (marker.request_id, Precondition(if_match=["*"])),
        ]:
            change = delete(object_id, precondition=precondition)
            assert await refused(catalog, change) == "precondition-failed"
        await done(catalog, delete(old.object_id, precondition=right))
        assert await refused(catalog, delete(old.object_id, precondition=right)) == "gone"

    async def test_metadata_is_merged(self, catalog: Catalog) -> None:
        new = new_object(metadata={"a": "1", "b": "2"})
        await catalog.commit([new])
        change = patch(new.request_id, metadata={"b": None, "c": "ü", "d": None})
        stored = msgspec.structs.replace(new.object, metadata={"a": "1", "c": "ü"})
        assert await done(catalog, change) == Done(
            request_id=change.request_id, object=stored, revision=2
        )
        info = (await located(catalog, new.request_id)).object
        assert (info.metadata, info.revision) == ({"a": "1", "c": "ü"}, 2)
        answers = await catalog.commit(
            [patch(new.request_id, metadata={"e": str(at)}) for at in (1, 2)]
        )
        assert [getattr(answer, "revision", None) for answer in answers] == [3, 4]
        info = (await located(catalog, new.request_id)).object
        assert (info.metadata["e"], info.revision) == ("2", 4)

    async def test_a_patch_names_the_revision_it_is_a_change_of(self, catalog: Catalog) -> None:
        new = new_object(name="a")
        await catalog.commit([new])
        one, other = (
            patch(new.request_id, metadata={"x": text}, revisions=[1, 7]) for text in "ab"
        )
        answers = await catalog.commit([one, other])
        assert isinstance(answers[0], Done)
        assert not isinstance(answers[1], Done)
        assert (await located(catalog, new.request_id)).object.metadata == {"x": "a"}
        await done(catalog, patch(new.request_id, revisions=[2]))
        assert await refused(catalog, patch(new.request_id, revisions=[])) == "precondition-failed"

    async def test_metadata_that_is_too_much_is_refused(self, catalog: Catalog) -> None:
        new = new_object(metadata={"a": "x" * 5000})
        await catalog.commit([new])
        for metadata in ({"b": "x" * 5000}, {"": "x"}, {"a": "\0"}):
            assert await refused(catalog, patch(new.request_id, metadata=metadata)) == (
                "invalid-parameter"
            )
        assert (await located(catalog, new.request_id)).object.revision == 1

    async def test_what_is_gone_cannot_be_described(self, catalog: Catalog) -> None:
        new = new_object(id_made(5))
        await catalog.commit([new, delete(new.request_id)])
        assert await refused(catalog, patch(new.request_id)) == "gone"
        assert await refused(catalog, patch(MINT.new())) == "not-found"

    async def test_an_old_version_can_be_described(self, catalog: Catalog) -> None:
        old, new = new_object(name="a"), new_object(name="a")
        await catalog.commit([old, new])
        outcome = await done(catalog, patch(old.request_id, metadata={"a": "b"}))
        assert outcome.object is not None
        assert outcome.object.version == 1
        assert await at_name(catalog, "a") == new.request_id
