"""Names through the queue: many writers of one, writes that waited, deletes that race."""

import asyncio
from uuid import UUID

from sangraha.messages import (
    CreateObject,
    DeleteName,
    DeleteObject,
    Done,
    ListVersions,
    Precondition,
    Rejected,
)
from sangraha.objects import Version
from tests.integration.conftest import House
from tests.integration.writer import Writer, aged, create

NAME = "reports/ગુજરાત 2026.json"


async def versions(house: House, name: str = NAME) -> list[Version]:
    page = await house.catalog.list_versions(
        ListVersions(read_id=house.mint.new(), bucket="default", name=name, limit=100)
    )
    return page.versions


def object_id(outcome: object) -> UUID:
    assert isinstance(outcome, Done), outcome
    assert outcome.object is not None
    return outcome.object.object_id


async def test_one_name_written_by_50_clients_at_once_has_50_versions_and_one_current(
    house: House,
) -> None:
    writer = await Writer(house).open()
    requests = [create(house, b"%d" % number, name=NAME) for number in range(50)]
    outcomes = await asyncio.gather(*(writer.one(request) for request in requests))
    kept = await versions(house)
    assert sorted(one.version for one in kept) == list(range(1, 51))
    assert {one.object_id for one in kept} == {one.request_id for one in requests}
    assert [one.version for one in kept if one.current] == [50]
    assert all(isinstance(one, Done) for one in outcomes)
    # All but the first found something at that name.
    assert sum(one.replaced for one in outcomes if isinstance(one, Done)) == 49
    top = await house.at(NAME)
    assert top is not None
    for number, request in enumerate(requests):
        assert await house.body_of(request.request_id) == b"%d" % number


async def test_versions_of_one_group_follow_each_other(house: House) -> None:
    writer = await Writer(house).open()
    requests = [create(house, b"%d" % number, name=NAME) for number in range(3)]
    outcomes = await writer.send(*requests)
    assert [one.object.version for one in outcomes if isinstance(one, Done) and one.object] == [
        1,
        2,
        3,
    ]
    assert [one.replaced for one in outcomes if isinstance(one, Done)] == [False, True, True]
    top = await house.at(NAME)
    assert top is not None
    assert top.object_id == requests[-1].request_id
    second = await house.at(NAME, 2)
    assert second is not None
    assert second.object_id == requests[1].request_id


async def test_the_changes_of_one_group_happen_in_its_order(house: House) -> None:
    writer = await Writer(house).open()
    first, last = (create(house, body, name=NAME) for body in (b"1", b"2"))
    only_new = create(house, b"3", name=NAME, precondition=Precondition(if_none_match=["*"]))
    gone = DeleteName(request_id=house.mint.new(), bucket="default", name=NAME)
    nothing = DeleteName(request_id=house.mint.new(), bucket="default", name=NAME)
    outcomes = await writer.send(first, gone, nothing, last, only_new)
    assert [type(one) for one in outcomes] == [Done, Done, Rejected, Done, Rejected]
    assert [one.problem.slug for one in outcomes if isinstance(one, Rejected)] == [
        "not-found",
        "precondition-failed",
    ]
    top = await house.at(NAME)
    assert top is not None
    assert top.object_id == last.request_id


async def test_the_order_holds_where_one_of_a_group_fails_for_a_reason_of_ours(
    house: House,
) -> None:
    writer = await Writer(house).open()
    taken = create(house, b'"taken"')
    await writer.one(taken)
    # The same id with other content: nothing a receiver would send.
    clash = create(house, b'"other"', request_id=taken.request_id)
    requests = [create(house, b"%d" % number, name=NAME) for number in range(4)]
    gone = DeleteName(request_id=house.mint.new(), bucket="default", name=NAME)
    outcomes = await writer.send(requests[0], clash, requests[1], gone, *requests[2:])
    assert [type(one).__name__ for one in outcomes] == ["Done", "Dead", *["Done"] * 4]
    made = [one.object for one in outcomes if isinstance(one, Done) and one.object]
    assert [one.object_id for one in made] == [one.request_id for one in requests]
    # The marker is a version, too.
    assert [one.version for one in made] == [1, 2, 4, 5]
    top = await house.at(NAME)
    assert top is not None
    assert top.object_id == requests[-1].request_id


async def test_a_write_that_waited_in_the_queue_does_not_hide_a_newer_one(house: House) -> None:
    writer = await Writer(house).open()
    waited = create(house, b'"old"', name=NAME, request_id=aged(house, 60))
    newer = create(house, b'"new"', name=NAME)
    await writer.one(newer)
    outcome = await writer.one(waited)
    assert object_id(outcome) == waited.request_id
    top = await house.at(NAME)
    assert top is not None
    assert top.object_id == newer.request_id
    assert await house.body_of(waited.request_id) == b'"old"'
    assert [(one.object_id, one.version, one.current) for one in await versions(house)] == [
        (newer.request_id, 1, True),
        (waited.request_id, 2, False),
    ]
    assert isinstance(outcome, Done)
    assert not outcome.replaced


async def test_a_delete_that_waited_in_the_queue_does_not_hide_a_newer_write(house: House) -> None:
    writer = await Writer(house).open()
    newer = create(house, b'"new"', name=NAME)
    await writer.one(newer)
    waited = DeleteName(request_id=aged(house, 60), bucket="default", name=NAME)
    assert isinstance(await writer.one(waited), Done)
    top = await house.at(NAME)
    assert top is not None
    assert top.object_id == newer.request_id


async def test_a_delete_that_races_with_a_redelivered_write_is_not_undone_by_it(
    house: House,
) -> None:
    writer = await Writer(house).open()
    for _ in range(10):
        request = create(house, b"1", name=NAME)
        first = await writer.one(request)
        gone = DeleteName(request_id=house.mint.new(), bucket="default", name=NAME)
        again, deleted = await asyncio.gather(writer.one(request), writer.one(gone))
        assert again == first
        assert deleted == Done(request_id=gone.request_id)
        assert await house.at(NAME) is None
        # And once more, after the delete.
        assert await writer.one(request) == first
        assert await house.at(NAME) is None


async def test_what_was_deleted_for_good_does_not_come_back_with_a_redelivery(
    house: House,
) -> None:
    writer = await Writer(house).open()
    request = create(house, b"1", name=NAME)
    first = await writer.one(request)
    delete = DeleteObject(request_id=house.mint.new(), object_id=request.request_id)
    again, deleted = await asyncio.gather(writer.one(request), writer.one(delete))
    assert (again, deleted) == (first, Done(request_id=delete.request_id))
    assert await writer.one(request) == first
    assert await house.body_of(request.request_id) is None
    assert await house.at(NAME) is None
    once_more = DeleteObject(request_id=house.mint.new(), object_id=request.request_id)
    refused = await writer.one(once_more)
    assert isinstance(refused, Rejected)
    assert refused.problem.slug == "gone"


async def test_only_one_of_many_writers_creates_what_must_not_be_there(house: House) -> None:
    writer = await Writer(house).open()

    def only_new(number: int) -> CreateObject:
        return create(
            house, b"%d" % number, name=NAME, precondition=Precondition(if_none_match=["*"])
        )

    requests = [only_new(number) for number in range(20)]
    outcomes = await asyncio.gather(*(writer.one(request) for request in requests))
    made = [one for one in outcomes if isinstance(one, Done)]
    assert len(made) == 1
    assert {one.problem.slug for one in outcomes if isinstance(one, Rejected)} == {
        "precondition-failed"
    }
    # The bodies of the refused ones are gone from the store.
    for request in requests:
        there = await house.body_of(request.request_id)
        assert (there is not None) == (request.request_id == made[0].request_id)
