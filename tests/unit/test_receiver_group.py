"""What fits into one group of writes."""

import uuid

from hypothesis import given, settings
from hypothesis import strategies as st

from sangraha import messages
from sangraha.messages import CreateObject, DeleteObject, Inline, WriteRequest
from sangraha_receiver.group import (
    MAX_GROUP_BYTES,
    MAX_GROUP_REQUESTS,
    GatheredGroup,
    group_of,
)


def create(size: int) -> CreateObject:
    return CreateObject(request_id=uuid.uuid4(), content=Inline(bytes(size)))


def groups(requests: list[WriteRequest]) -> list[list[WriteRequest]]:
    made, gathered = [], GatheredGroup()
    for request in requests:
        if not gathered.has_room_for(request):
            made.append(gathered.take())
        gathered.add(request)
    return [*made, gathered.take()]


@settings(deadline=None)
@given(st.lists(st.integers(0, MAX_GROUP_BYTES // 2), max_size=20))
def test_groups_are_of_bounded_size_and_keep_the_order(sizes: list[int]) -> None:
    requests: list[WriteRequest] = [create(size) for size in sizes]
    made = groups(requests)
    assert [request for group in made for request in group] == requests
    for group in made:
        if group:
            encoded = messages.encode(group_of(group, uuid.uuid4()))
            assert len(encoded) <= MAX_GROUP_BYTES


def test_a_group_has_so_many_requests_at_most() -> None:
    deletes: list[WriteRequest] = [
        DeleteObject(request_id=uuid.uuid4(), object_id=uuid.uuid4())
        for _ in range(MAX_GROUP_REQUESTS + 1)
    ]
    assert [len(group) for group in groups(deletes)] == [MAX_GROUP_REQUESTS, 1]


def test_one_that_is_larger_than_a_group_goes_alone() -> None:
    small, large = create(1), create(MAX_GROUP_BYTES + 1)
    assert groups([small, large, small]) == [[small], [large], [small]]


def test_one_alone_lends_the_group_its_id() -> None:
    one, other, new_id = create(1), create(2), uuid.uuid4()
    assert group_of([one], new_id).group_id == one.request_id
    assert group_of([one, other], new_id).group_id == new_id
