"""Groups of reads as they travel: each is answered for itself, whatever its neighbours are."""

import time

from sangraha import messages
from sangraha.broker.protocol import Message
from sangraha.broker.topology import MAX_MESSAGE_BYTES, READ_QUEUE
from sangraha.messages import (
    BucketFound,
    BucketsListed,
    Found,
    GetBucket,
    GetNamed,
    GetObject,
    ListBuckets,
    Listed,
    ListNames,
    ListObjects,
    ListVersions,
    NamesListed,
    ReadFailed,
    ReadGroup,
    ReadOutcome,
    ReadReplies,
    ReadRequest,
    VersionsListed,
)
from tests.integration.conftest import House
from tests.integration.shelf import Shelf
from tests.waiting import eventually


class Asker:
    """Sends groups to the read queue and keeps the messages that answer them."""

    def __init__(self, house: House) -> None:
        self.replies: list[Message] = []
        self._house = house
        self._queue = f"object_response_queue.test.{house.mint.new().hex}"

    async def open(self) -> "Asker":
        await self._house.broker.open_reply_queue(self._queue, self.replies.append)
        return self

    async def publish(self, *requests: ReadRequest, **headers: int) -> None:
        group = ReadGroup(group_id=self._house.mint.new(), requests=list(requests))
        message = Message(
            body=messages.encode(group),
            message_id=str(group.group_id),
            reply_to=self._queue,
            headers=dict(headers),
            persistent=False,
        )
        await self._house.broker.publish(READ_QUEUE.name, message, timeout_seconds=10)

    async def ask(self, *requests: ReadRequest) -> list[ReadOutcome]:
        """The outcomes of one group, once all of them have come."""
        before = len(self.outcomes())
        await self.publish(*requests)
        await eventually(lambda: len(self.outcomes()) >= before + len(requests))
        return self.outcomes()[before:]

    def outcomes(self) -> list[ReadOutcome]:
        groups = [messages.decode(ReadReplies, one.body) for one in self.replies]
        return [outcome for group in groups for outcome in group.outcomes]


async def test_every_kind_of_read_is_answered_in_one_reply(house: House) -> None:
    async with Shelf.of(house) as shelf:
        small = await shelf.put(b"small", name="small")
        large = await shelf.put(bytes(300_000), name="large")
    new = house.mint.new
    requests: list[ReadRequest] = [
        GetObject(read_id=new(), object_id=small.object_id),
        GetObject(read_id=new(), object_id=small.object_id, want_body=False),
        GetObject(read_id=new(), object_id=large.object_id),
        GetObject(read_id=new(), object_id=new()),
        GetNamed(read_id=new(), bucket="default", name="small", known_sha256=[small.sha256]),
        GetNamed(read_id=new(), bucket="default", name="small", version=1),
        GetNamed(read_id=new(), bucket="default", name="none"),
        GetBucket(read_id=new(), bucket="default"),
        GetBucket(read_id=new(), bucket="none"),
        ListObjects(read_id=new()),
        ListNames(read_id=new(), bucket="default"),
        ListNames(read_id=new(), bucket="default", cursor="none"),
        ListVersions(read_id=new(), bucket="default", name="small"),
        ListBuckets(read_id=new()),
    ]
    asker = await Asker(house).open()
    outcomes = await asker.ask(*requests)
    assert len(asker.replies) == 1
    assert [one.read_id for one in outcomes] == [one.read_id for one in requests]
    kinds: list[type[ReadOutcome]] = [
        *(Found, Found, Found, ReadFailed, Found, Found, ReadFailed, BucketFound, ReadFailed),
        *(Listed, NamesListed, ReadFailed, VersionsListed, BucketsListed),
    ]
    assert [type(one) for one in outcomes] == kinds
    found = [one for one in outcomes if isinstance(one, Found)]
    assert [one.body for one in found] == [b"small", None, None, None, b"small"]
    assert [one.known for one in found] == [False, False, False, True, False]
    assert [one.location is not None for one in found] == [False, False, True, False, False]
    failed = [one.problem.slug for one in outcomes if isinstance(one, ReadFailed)]
    assert failed == ["not-found", "not-found", "not-found", "invalid-parameter"]


async def test_answers_that_do_not_fit_into_one_message_come_in_several(house: House) -> None:
    async with Shelf.of(house) as shelf:
        stored = await shelf.put(bytes(200_000), metadata={"a": "x" * 8000}, name="a")
        for number in range(60):
            await shelf.put(b"", metadata={"a": "x" * 8000}, name=f"{number}")
    new = house.mint.new
    bodies: list[ReadRequest] = [
        GetObject(read_id=new(), object_id=stored.object_id) for _ in range(70)
    ]
    pages: list[ReadRequest] = [
        ListNames(read_id=new(), bucket="default", limit=1000) for _ in range(40)
    ]
    asker = await Asker(house).open()
    outcomes = await asker.ask(*bodies, *pages)
    assert len(asker.replies) > 1
    assert max(len(one.body) for one in asker.replies) <= MAX_MESSAGE_BYTES
    assert {one.read_id for one in outcomes} == {one.read_id for one in [*bodies, *pages]}
    assert not [one for one in outcomes if isinstance(one, ReadFailed)]


async def test_nobody_is_told_what_nobody_waits_for_any_more(house: House) -> None:
    late, asker = await Asker(house).open(), await Asker(house).open()
    past = {"sangraha-deadline-ms": int(time.time() * 1000) - 1000}
    await late.publish(ListObjects(read_id=house.mint.new()), **past)
    taken = "sangraha_group_requests_count"
    await eventually(lambda: house.metric(taken, queue=READ_QUEUE.name))
    for _ in range(3):
        await asker.ask(ListObjects(read_id=house.mint.new()))
    assert not late.replies
