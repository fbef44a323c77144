"""Requests on their way to the queue and back, told by a broker that confirms on demand."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from uuid import UUID

import pytest

from sangraha import messages
from sangraha.broker.protocol import Message
from sangraha.catalog.catalog import Reservation
from sangraha.ending import Ending
from sangraha.errors import (
    BrokerUnavailable,
    CatalogUnavailable,
    IdempotencyKeyReused,
    MessageTooLarge,
    OutcomeUnknown,
    QueueFull,
)
from sangraha.ids import IdMint
from sangraha.messages import (
    CreateObject,
    Done,
    Inline,
    Underway,
    WriteGroup,
    WriteOutcome,
    WriteReplies,
    WriteRequest,
)
from sangraha_receiver.idempotency import IdempotencyKey
from sangraha_receiver.submission import Submissions
from tests.waiting import eventually


class Broker:
    """Publishing ends as `publishing` says; replies come when the test sends them."""

    def __init__(self) -> None:
        self.publishing: Callable[[], Exception | None] | None = lambda: None
        self.published: list[WriteGroup] = []
        self._handler: Callable[[Message], None] | None = None

    async def open_reply_queue(self, name: str, handler: Callable[[Message], None]) -> None:
        self._handler = handler

    async def publish(self, queue: str, message: Message, *, timeout_seconds: float) -> None:
        self.published.append(messages.decode(WriteGroup, message.body))
        if self.publishing is None:
            await asyncio.Event().wait()
        elif (error := self.publishing()) is not None:
            raise error

    def reply(self, requests: Sequence[WriteRequest]) -> None:
        outcomes: list[WriteOutcome] = [Done(request_id=one.request_id) for one in requests]
        group = WriteReplies(group_id=uuid.uuid4(), outcomes=outcomes)
        assert self._handler is not None
        self._handler(Message(body=messages.encode(group), message_id="reply"))


class Catalog:
    """Knows the outcomes it was given; None: it is away. Keys are in `reserved`, by member."""

    def __init__(self) -> None:
        self.known: dict[UUID, WriteOutcome] | None = {}
        self.reserved: dict[int, Reservation] = {}

    async def reserve(self, wanted: Sequence[Reservation]) -> list[UUID]:
        if self.known is None:
            raise CatalogUnavailable
        found = [self.reserved.setdefault(one.member, one) for one in wanted]
        if any(a.fingerprint != b.fingerprint for a, b in zip(found, wanted, strict=True)):
            raise IdempotencyKeyReused
        return [one.request_id for one in found]

    async def outcomes(self, request_ids: Sequence[UUID]) -> dict[UUID, WriteOutcome]:
        if self.known is None:
            raise CatalogUnavailable
        return {one: self.known[one] for one in request_ids if one in self.known}


class House:
    def __init__(self) -> None:
        self.broker, self.catalog, self.ending = Broker(), Catalog(), Ending()
        self.discarded: list[WriteRequest] = []
        self.submissions = Submissions(
            self.broker,  # type: ignore[arg-type]  # all it uses of one
            self.catalog,  # type: ignore[arg-type]  # likewise
            IdMint(b"a secret of sixteen"),
            self._discard,
            ending=self.ending,
            reply_queue="replies",
            publish_timeout_seconds=0.05,
        )

    async def _discard(self, requests: Sequence[WriteRequest]) -> None:
        self.discarded += requests


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    await house.submissions.start()
    yield house
    await house.submissions.stop()


def creates(count: int) -> list[WriteRequest]:
    return [CreateObject(request_id=uuid.uuid4(), content=Inline(b"x")) for _ in range(count)]


async def test_outcomes_are_those_of_all_groups_that_were_sent(house: House) -> None:
    first, second = creates(2), creates(1)
    with house.submissions.open() as submission:
        await submission.send(first)
        await submission.send(second)
        house.broker.reply([*second, first[1], *creates(1), first[0]])
        outcomes = await submission.outcomes(5)
    assert outcomes.keys() == {one.request_id for one in [*first, *second]}
    assert [group.requests for group in house.broker.published] == [first, second]


async def test_a_reply_is_as_good_as_a_confirm(house: House) -> None:
    house.broker.publishing = None
    (request,) = requests = creates(1)
    with house.submissions.open() as submission:
        sending = asyncio.create_task(submission.send(requests))
        await eventually(lambda: house.broker.published)
        house.broker.reply(requests)
        await sending
        assert (await submission.outcomes(5)).keys() == {request.request_id}


@pytest.mark.parametrize("error", [BrokerUnavailable(), QueueFull(), MessageTooLarge()])
async def test_what_was_not_sent_is_discarded_and_not_waited_for(
    house: House, error: Exception
) -> None:
    sent, refused = creates(1), creates(2)
    with house.submissions.open() as submission:
        await submission.send(sent)
        house.broker.publishing = lambda: error
        with pytest.raises(type(error)):
            await submission.send(refused)
        assert house.discarded == refused
        house.broker.reply(sent)
        outcomes = await asyncio.wait_for(submission.outcomes(60), 5)
        assert outcomes.keys() == {sent[0].request_id}


@pytest.mark.parametrize("count", [1, 2])
async def test_what_may_have_been_sent_is_kept_told_and_published_on(
    house: House, count: int
) -> None:
    house.broker.publishing = OutcomeUnknown
    requests = creates(count)
    ids = [str(request.request_id) for request in requests]
    with house.submissions.open() as submission:
        with pytest.raises(OutcomeUnknown) as unknown:
            await submission.send(requests)
        members = unknown.value.members
        if count == 1:
            assert members == {"request_id": ids[0], "status_url": f"/requests/{ids[0]}"}
        else:
            assert members == {"request_ids": ids}
        assert house.discarded == []
        house.broker.publishing = lambda: None
        before = len(house.broker.published)
        await eventually(lambda: len(house.broker.published) > before)
        house.broker.reply(requests)
        assert len(await submission.outcomes(5)) == count
    assert {group.group_id for group in house.broker.published} == {
        house.broker.published[0].group_id
    }


async def test_a_lost_reply_is_made_good_by_the_catalog(house: House) -> None:
    requests = creates(3)
    done = Done(request_id=requests[1].request_id)
    house.catalog.known = {done.request_id: done}
    with house.submissions.open() as submission:
        await submission.send(requests)
        house.broker.reply(requests[:1])
        outcomes = await submission.outcomes(0.05)
        assert outcomes.keys() == {one.request_id for one in requests[:2]}
        house.catalog.known = None
        assert len(await submission.outcomes(0.01)) == 1


async def test_one_who_does_not_wait_hears_nothing(house: House) -> None:
    requests = creates(1)
    with house.submissions.open() as submission:
        await submission.send(requests)
        house.broker.reply(requests)
        assert await submission.outcomes(0) == {}


async def test_those_who_wait_are_answered_when_the_process_ends(house: House) -> None:
    with house.submissions.open() as submission:
        await submission.send(creates(1))
        waiting = asyncio.create_task(submission.outcomes(60))
        await asyncio.sleep(0)
        house.ending.soon.set()
        assert await asyncio.wait_for(waiting, 5) == {}


KEY = IdempotencyKey("key", "put_object")


async def test_two_who_wait_for_one_request_both_hear_of_it(house: House) -> None:
    (first,), (second,) = creates(1), creates(1)
    with house.submissions.open(KEY) as one, house.submissions.open(KEY) as other:
        for submission, request in ((one, first), (other, second)):
            (reserved,) = await submission.reserve([request])
            assert reserved.request_id == first.request_id
            await submission.send([reserved])
        house.broker.reply([first])
        for submission in (one, other):
            assert (await submission.outcomes(5)).keys() == {first.request_id}
            assert not submission.is_replay
    assert len(house.broker.published) == 2


async def test_what_had_ended_is_told_and_not_sent(house: House) -> None:
    old, new = creates(2), creates(2)
    with house.submissions.open(KEY) as submission:
        await submission.reserve(old, [0, 1])
    ended = Done(request_id=old[0].request_id)
    house.catalog.known = {ended.request_id: ended}
    with house.submissions.open(KEY) as submission:
        reserved = await submission.reserve(new, [0, 1])
        assert [one.request_id for one in reserved] == [one.request_id for one in old]
        assert [one.request_id for one in house.discarded] == [ended.request_id]
        await submission.send(reserved)
        assert [group.requests for group in house.broker.published] == [reserved[1:]]
        house.broker.reply(reserved[1:])
        assert (await submission.outcomes(5)).keys() == {one.request_id for one in old}
        assert not submission.is_replay


async def test_what_is_underway_has_not_ended(house: House) -> None:
    with house.submissions.open(KEY) as submission:
        (old,) = await submission.reserve(creates(1))
        underway = Underway(request_id=old.request_id, done=1, total=2)
        house.catalog.known = {old.request_id: underway}
    with house.submissions.open(KEY) as submission:
        await submission.send(await submission.reserve(creates(1)))
        assert await submission.outcomes(0.01) == {old.request_id: underway}
        assert not submission.is_replay
    assert len(house.broker.published) == 1


@pytest.mark.parametrize("is_away", [True, False])
async def test_what_cannot_be_reserved_is_discarded(house: House, is_away: bool) -> None:
    with house.submissions.open(KEY) as submission:
        await submission.reserve(creates(1))
    if is_away:
        house.catalog.known = None
    other: list[WriteRequest] = [CreateObject(request_id=uuid.uuid4(), content=Inline(b"y"))]
    with (
        house.submissions.open(KEY) as submission,
        pytest.raises(CatalogUnavailable if is_away else IdempotencyKeyReused),
    ):
        await submission.reserve(other)
    assert house.discarded == other
    assert house.broker.published == []


async def test_with_a_key_a_reply_does_not_end_the_publishing(house: House) -> None:
    """It may be to another attempt; this one's body is removed by whoever gets its message."""
    house.broker.publishing = None
    requests = creates(1)
    with house.submissions.open(KEY) as submission:
        reserved = await submission.reserve(requests)
        sending = asyncio.create_task(submission.send(reserved))
        await eventually(lambda: house.broker.published)
        house.broker.reply(requests)
        await asyncio.wait([sending], timeout=0)
        assert not sending.done()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_with_a_key_a_reply_makes_a_lost_confirm_good(house: House) -> None:
    requests = creates(1)
    with house.submissions.open(KEY) as submission:
        reserved = await submission.reserve(requests)

        def lost() -> Exception:
            house.broker.reply(requests)
            return OutcomeUnknown()

        house.broker.publishing = lost
        await submission.send(reserved)
        assert (await submission.outcomes(5)).keys() == {requests[0].request_id}
