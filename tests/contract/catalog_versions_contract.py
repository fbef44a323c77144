"""Names: their versions, which one is on top, and what must hold for a change."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from sangraha.buckets import BucketSettings
from sangraha.catalog.catalog import Catalog, Deleted, NewObject
from sangraha.ids import made_at
from sangraha.messages import (
    CreateBucket,
    DeleteName,
    DeleteObject,
    Done,
    PatchBucket,
    Precondition,
)
from tests.contract.catalog_samples import MINT, id_made, new_object
from tests.contract.catalog_suite import (
    CatalogSuite,
    at_name,
    done,
    located,
    made,
    numbers,
    refused,
    versions,
)

NAME = "reports/2031/ü.json"
OTHER_DIGEST = "0" * 64


def named(
    request_id: UUID | None = None, precondition: Precondition | None = None, **fields: Any
) -> NewObject:
    """A create at NAME."""
    new = new_object(request_id, **{"name": NAME, **fields})
    return msgspec.structs.replace(new, precondition=precondition)


def delete_name(
    request_id: UUID | None = None, precondition: Precondition | None = None, name: str = NAME
) -> DeleteName:
    """What is at NAME is to be deleted."""
    return DeleteName(
        request_id=request_id or MINT.new(),
        bucket="default",
        name=name,
        precondition=precondition,
    )


def deleted(object_id: UUID) -> DeleteObject:
    """The object is to be deleted for good."""
    return DeleteObject(request_id=MINT.new(), object_id=object_id)


class VersionsContract(CatalogSuite):
    """The newest version is found at a name; older ones stay."""

    async def test_a_name_counts_its_versions_and_the_last_is_on_top(
        self, catalog: Catalog
    ) -> None:
        group = [named(), named(), new_object(name="other"), new_object(), named()]
        answers = await catalog.commit(group)
        stored = [outcome.object for outcome in answers if isinstance(outcome, Done)]
        assert [each.version for each in stored if each] == [1, 2, 1, 1, 3]
        assert [getattr(outcome, "replaced", None) for outcome in answers] == [
            False,
            True,
            False,
            False,
            True,
        ]
        assert await numbers(catalog, NAME) == [3, 2, 1]
        assert await at_name(catalog, NAME) == group[4].request_id
        assert [version.current for version in await versions(catalog, NAME)] == [1, 0, 0]
        for outcome in stored:
            assert outcome is not None
            assert (await located(catalog, outcome.object_id)).object.version == outcome.version

    async def test_the_same_name_in_another_bucket_is_another(self, catalog: Catalog) -> None:
        await done(
            catalog, CreateBucket(request_id=MINT.new(), bucket="b", settings=BucketSettings())
        )
        here, there = await made(catalog, named()), await made(catalog, named(bucket="b"))
        assert (here.version, there.version) == (1, 1)
        assert await at_name(catalog, NAME) == here.object_id
        assert await at_name(catalog, NAME, "b") == there.object_id

    async def test_a_create_for_a_bucket_that_is_not_there_is_refused_alone(
        self, catalog: Catalog
    ) -> None:
        lost = new_object(bucket="nowhere"), named(bucket="nowhere")
        innocent = named()
        answers = await catalog.commit([*lost, innocent])
        assert [getattr(answer, "problem", None) and answer.problem.slug for answer in answers] == [  # type: ignore[union-attr]
            "not-found",
            "not-found",
            None,
        ]
        assert await at_name(catalog, NAME) == innocent.request_id
        assert await catalog.locate([new.request_id for new in lost]) == {}

    async def test_a_write_that_waited_goes_underneath_what_is_newer(
        self, catalog: Catalog
    ) -> None:
        current = await made(catalog, named(id_made(10)))
        late = await done(catalog, named(id_made(13)))
        later = await done(catalog, named(id_made(12.5)))
        assert not late.replaced
        assert not later.replaced
        assert await at_name(catalog, NAME) == current.object_id
        assert await numbers(catalog, NAME) == [1, 3, 2]
        await done(catalog, deleted(current.object_id))
        assert await at_name(catalog, NAME) == later.request_id

    async def test_two_seconds_are_not_late(self, catalog: Catalog) -> None:
        newer = id_made(10)
        two_seconds, more = (UUID(int=newer.int - (ms << 80)) for ms in (2000, 2001))
        assert made_at(newer) - made_at(two_seconds) == timedelta(seconds=2)
        await made(catalog, named(newer))
        assert not (await done(catalog, named(more))).replaced
        assert (await done(catalog, named(two_seconds))).replaced
        assert await at_name(catalog, NAME) == two_seconds
        assert await numbers(catalog, NAME) == [3, 1, 2]

    async def test_a_late_write_goes_between_those_before_and_after_it(
        self, catalog: Catalog
    ) -> None:
        for age in (50, 30, 10, 40, 20, 60):
            await made(catalog, named(id_made(age)))
        assert await numbers(catalog, NAME) == [3, 5, 2, 4, 1, 6]

    async def test_a_late_group_goes_underneath_in_its_order(self, catalog: Catalog) -> None:
        await made(catalog, named(id_made(10)))
        await catalog.commit([named(id_made(30)), named(id_made(29)), named(id_made(0))])
        assert await numbers(catalog, NAME) == [4, 1, 3, 2]

    async def test_a_marker_that_waited_does_not_hide_a_newer_version(
        self, catalog: Catalog
    ) -> None:
        old, new = await catalog.commit([named(id_made(30)), named(id_made(10))])
        late = delete_name(id_made(20))
        assert await done(catalog, late) == Done(request_id=late.request_id)
        assert await at_name(catalog, NAME) == new.request_id
        assert [version.deleted for version in await versions(catalog, NAME)] == [0, 1, 0]
        await done(catalog, deleted(new.request_id))
        assert await at_name(catalog, NAME) is None
        assert await refused(catalog, delete_name()) == "not-found"
        await done(catalog, deleted(late.request_id))
        assert await at_name(catalog, NAME) == old.request_id

    async def test_deleting_a_name_hides_it_and_keeps_its_versions(self, catalog: Catalog) -> None:
        assert await refused(catalog, delete_name()) == "not-found"
        stored = await made(catalog, named())
        change = delete_name()
        assert await done(catalog, change) == Done(request_id=change.request_id)
        assert await at_name(catalog, NAME) is None
        assert (await located(catalog, stored.object_id)).object.version == 1
        assert await catalog.locate([change.request_id]) == {}
        assert await refused(catalog, delete_name()) == "not-found"
        top, below = await versions(catalog, NAME)
        assert (top.object_id, top.version, top.current, top.deleted, top.object) == (
            change.request_id,
            2,
            True,
            True,
            None,
        )
        assert (below.current, below.deleted, below.object) == (False, False, stored)
        again = await done(catalog, named())
        assert again.object is not None
        assert (again.object.version, again.replaced) == (3, False)

    async def test_what_is_below_takes_the_place_of_what_is_deleted(self, catalog: Catalog) -> None:
        ids = [(await made(catalog, named())).object_id for _ in range(5)]
        await done(catalog, deleted(ids[3]))
        assert await at_name(catalog, NAME) == ids[4]
        await catalog.commit([deleted(ids[4]), deleted(ids[2])])
        assert await at_name(catalog, NAME) == ids[1]
        await catalog.commit([deleted(ids[1]), deleted(ids[0])])
        assert await at_name(catalog, NAME) is None
        assert await catalog.locate(ids) == {object_id: Deleted() for object_id in ids}

    async def test_the_number_of_a_version_is_never_given_again(self, catalog: Catalog) -> None:
        first, second = await made(catalog, named()), await made(catalog, named())
        await catalog.commit([deleted(second.object_id), deleted(first.object_id)])
        third = await done(catalog, named())
        assert third.object is not None
        assert (third.object.version, third.replaced) == (3, False)

    @pytest.mark.parametrize("count", [1, 3])
    async def test_a_bucket_keeps_so_many_versions(self, catalog: Catalog, count: int) -> None:
        ids = [(await made(catalog, named())).object_id for _ in range(5)]
        await catalog.commit([named(name="other"), named(name="other")])
        patch = PatchBucket(
            request_id=MINT.new(), bucket="default", changes={"versions_to_keep": count}
        )
        await done(catalog, patch)
        assert len(await numbers(catalog, NAME)) == 5
        await done(catalog, delete_name())
        assert len(await numbers(catalog, NAME)) == 6
        new = [named(), named()]
        await catalog.commit(new)
        ids += [each.request_id for each in new]
        live = [version for version in await versions(catalog, NAME) if not version.deleted]
        assert [version.object_id for version in live] == ids[: -count - 1 : -1]
        gone = await catalog.locate(ids[:-count])
        assert gone == {object_id: Deleted() for object_id in ids[:-count]}
        assert await numbers(catalog, "other") == [2, 1]

    async def test_of_very_many_versions_too_many_some_go_with_each_write(
        self, catalog: Catalog
    ) -> None:
        ids = [MINT.new() for _ in range(1200)]
        for start in range(0, len(ids), 100):
            await catalog.commit([named(object_id) for object_id in ids[start : start + 100]])
        patch = PatchBucket(
            request_id=MINT.new(), bucket="default", changes={"versions_to_keep": 2}
        )
        await done(catalog, patch)
        left = []
        for _ in range(4):
            ids.append((await made(catalog, named())).object_id)
            found = await catalog.locate(ids)
            left.append([i for i in ids if not isinstance(found[i], Deleted)])
        assert [len(each) for each in left] == [701, 202, 2, 2]
        assert left == [
            [*ids[500:1200], ids[1200]],
            [*ids[1000:1200], *ids[1200:1202]],
            ids[1201:1203],
            ids[1202:1204],
        ]

    async def test_a_late_version_over_the_limit_goes_at_once(self, catalog: Catalog) -> None:
        patch = PatchBucket(
            request_id=MINT.new(), bucket="default", changes={"versions_to_keep": 1}
        )
        await done(catalog, patch)
        await made(catalog, named(id_made(10)))
        late = named(id_made(20))
        outcome = await done(catalog, late)
        assert await catalog.locate([late.request_id]) == {late.request_id: Deleted()}
        assert await done(catalog, late) == outcome
        assert await numbers(catalog, NAME) == [1]

    async def test_what_must_be_there_is_judged_at_the_commit(self, catalog: Catalog) -> None:
        any_one, none = Precondition(if_match=["*"]), Precondition(if_none_match=["*"])
        assert await refused(catalog, named(precondition=any_one)) == "precondition-failed"
        first = await made(catalog, named(precondition=none))
        assert await refused(catalog, named(precondition=none)) == "precondition-failed"
        second = await made(catalog, named(precondition=any_one))
        those = Precondition(if_match=[OTHER_DIGEST, second.sha256])
        not_those = Precondition(if_none_match=[OTHER_DIGEST, second.sha256])
        assert await refused(catalog, named(precondition=not_those)) == "precondition-failed"
        third = await made(catalog, named(precondition=those))
        assert await refused(catalog, named(precondition=those)) == "precondition-failed"
        fourth = await made(catalog, named(precondition=not_those))
        assert await refused(catalog, delete_name(precondition=those)) == "precondition-failed"
        assert await numbers(catalog, NAME) == [4, 3, 2, 1]
        await done(catalog, delete_name(precondition=Precondition(if_match=[fourth.sha256])))
        assert await refused(catalog, delete_name(precondition=any_one)) == "not-found"
        assert await refused(catalog, named(precondition=any_one)) == "precondition-failed"
        await made(catalog, named(precondition=none))
        assert (first.version, third.version) == (1, 3)

    async def test_of_two_that_want_to_be_first_one_is(self, catalog: Catalog) -> None:
        none = Precondition(if_none_match=["*"])
        new, refusal = await catalog.commit([named(precondition=none), named(precondition=none)])
        assert isinstance(new, Done)
        assert not isinstance(refusal, Done)
        assert await at_name(catalog, NAME) == new.request_id

    async def test_a_nameless_create_may_have_a_precondition(self, catalog: Catalog) -> None:
        none, any_one = Precondition(if_none_match=["*"]), Precondition(if_match=["*"])
        assert (await made(catalog, named(name=None, precondition=none))).version == 1
        refusal = await refused(catalog, named(name=None, precondition=any_one))
        assert refusal == "precondition-failed"

    async def test_who_names_what_is_replaced_is_never_late(self, catalog: Catalog) -> None:
        current = await made(catalog, named(id_made(10)))
        star = named(id_made(30), Precondition(if_match=["*"]))
        assert not (await done(catalog, star)).replaced
        exact = named(id_made(30), Precondition(if_match=[current.sha256]))
        assert (await done(catalog, exact)).replaced
        assert await at_name(catalog, NAME) == exact.request_id
        marker = delete_name(id_made(50), Precondition(if_match=[exact.object.sha256]))
        await done(catalog, marker)
        assert await at_name(catalog, NAME) is None

    async def test_a_name_that_no_database_holds_is_rejected(self, catalog: Catalog) -> None:
        assert await refused(catalog, delete_name(name="a\0b")) == "invalid-parameter"
        assert await refused(catalog, named(name="a\0b")) == "invalid-parameter"

    async def test_a_list_of_the_newest_has_what_is_on_top(self, catalog: Catalog) -> None:
        nameless, old, new = new_object(), named(), named()
        await catalog.commit([nameless, old, new])
        page = await catalog.list_objects(type=None, page=1, page_size=10)
        assert [each.object_id for each in page.objects] == [new.request_id, nameless.request_id]
