"""What the receiver makes of a broker's answers, told by a broker that answers on demand.

Real brokers cannot be made to lose one confirm and give the next; this is the only double.
"""

import uuid
from collections.abc import Sequence

import pytest

from sangraha import messages
from sangraha.broker.protocol import Message
from sangraha.broker.rabbitmq.envelope import sealed
from sangraha.errors import BrokerUnavailable, MessageTooLarge, OutcomeUnknown, QueueFull
from sangraha.messages import CreateObject, DeleteObject, Inline, WriteGroup
from sangraha_receiver.group import group_of
from sangraha_receiver.outbox import MAX_LISTED, Outbox
from sangraha_receiver.unconfirmed import MAX_BYTES, Unconfirmed
from tests.waiting import eventually

REQUEST = CreateObject(request_id=uuid.uuid4(), allowed=["json"], content=Inline(b"1"))
GROUP = group_of([REQUEST], uuid.uuid4())


class Scripted:
    """Publishes with these results, one after the other, and keeps what it was given."""

    def __init__(self, results: Sequence[Exception | None]) -> None:
        self._results = list(results)
        self.published: list[Message] = []

    async def publish(self, queue: str, message: Message, *, timeout_seconds: float) -> None:
        self.published.append(message)
        result = self._results.pop(0) if len(self._results) > 1 else self._results[0]
        if result is not None:
            raise result


def outbox(broker: Scripted, timeout_seconds: float = 5) -> Outbox:
    return Outbox(broker, "replies", timeout_seconds)  # type: ignore[arg-type]  # publish is all it uses


def many(count: int) -> WriteGroup:
    deletes = [DeleteObject(request_id=uuid.uuid4(), object_id=uuid.uuid4()) for _ in range(count)]
    return group_of(deletes, uuid.uuid4())


async def test_an_unknown_outcome_is_settled_by_publishing_the_same_ids_again() -> None:
    broker = Scripted([OutcomeUnknown(), OutcomeUnknown(), None])
    await outbox(broker).publish(GROUP)
    assert len(broker.published) == 3
    assert {message.message_id for message in broker.published} == {str(REQUEST.request_id)}
    for message in broker.published:
        assert messages.decode(WriteGroup, message.body) == GROUP


@pytest.mark.parametrize("refusal", [BrokerUnavailable(), QueueFull(), MessageTooLarge()])
async def test_a_certain_refusal_is_told_as_it_is(refusal: Exception) -> None:
    with pytest.raises(type(refusal)):
        await outbox(Scripted([refusal])).publish(GROUP)


@pytest.mark.parametrize("later", [BrokerUnavailable(), QueueFull()])
async def test_after_an_unknown_outcome_no_refusal_is_certain(later: Exception) -> None:
    with pytest.raises(OutcomeUnknown):
        await outbox(Scripted([OutcomeUnknown(), later])).publish(GROUP)


async def test_past_the_deadline_the_outcome_stays_unknown() -> None:
    broker = Scripted([OutcomeUnknown()])
    with pytest.raises(OutcomeUnknown):
        await outbox(broker, timeout_seconds=0.01).publish(GROUP)
    assert broker.published


@pytest.mark.parametrize("count", [1, 2, MAX_LISTED])
async def test_a_message_lists_its_requests_as_far_as_its_headers_can_hold_them(
    count: int,
) -> None:
    broker, group = Scripted([None]), many(count)
    await outbox(broker).publish(group)
    (message,) = broker.published
    listed = str(message.headers["sangraha-requests"]).split(",")
    assert listed == [str(request.request_id) for request in group.requests]
    assert sealed(message).headers


async def test_a_larger_group_is_sent_without_the_list() -> None:
    broker, group = Scripted([None]), many(MAX_LISTED + 1)
    await outbox(broker).publish(group)
    (message,) = broker.published
    assert "sangraha-requests" not in message.headers
    assert message.message_id == str(group.group_id)


async def test_what_was_never_confirmed_is_published_in_the_background_until_it_is() -> None:
    broker = Scripted([OutcomeUnknown(), BrokerUnavailable(), None])
    unconfirmed = Unconfirmed(outbox(broker, timeout_seconds=0.01))
    group = many(3)
    unconfirmed.keep(group)
    await eventually(lambda: len(broker.published) >= 3)
    await unconfirmed.stop()
    assert {message.message_id for message in broker.published} == {str(group.group_id)}


async def test_only_so_much_is_kept_to_be_published_again() -> None:
    broker = Scripted([OutcomeUnknown()])
    unconfirmed = Unconfirmed(outbox(broker, timeout_seconds=0.01))
    large = Inline(bytes(MAX_BYTES // 2))
    for _ in range(3):
        request = CreateObject(request_id=uuid.uuid4(), content=large)
        unconfirmed.keep(group_of([request], uuid.uuid4()))
    await eventually(lambda: broker.published)
    await unconfirmed.stop()
    assert len({message.message_id for message in broker.published}) == 1
