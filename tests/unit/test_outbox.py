"""What the receiver makes of a broker's answers, told by a broker that answers on demand.

Real brokers cannot be made to lose one confirm and give the next; this is the only double.
"""

import uuid
from collections.abc import Sequence

import pytest

from sangraha import messages
from sangraha.broker.protocol import Message
from sangraha.errors import BrokerUnavailable, OutcomeUnknown, QueueFull, SangrahaError
from sangraha.messages import CreateObject, WriteGroup
from sangraha_receiver.outbox import Outbox
from sangraha_receiver.unconfirmed import Unconfirmed
from tests.waiting import eventually

REQUEST = CreateObject(request_id=uuid.uuid4(), allowed=["json"], body=b"1")


class Scripted:
    """Publishes with these results, one after the other, and keeps what it was given."""

    def __init__(self, results: Sequence[SangrahaError | None]) -> None:
        self._results = list(results)
        self.published: list[Message] = []

    async def publish(self, queue: str, message: Message, *, timeout_seconds: float) -> None:
        self.published.append(message)
        result = self._results.pop(0) if len(self._results) > 1 else self._results[0]
        if result is not None:
            raise result


def outbox(broker: Scripted, timeout_seconds: float = 5) -> Outbox:
    return Outbox(broker, "replies", timeout_seconds)  # type: ignore[arg-type]  # publish is all it uses


async def test_an_unknown_outcome_is_settled_by_publishing_the_same_ids_again() -> None:
    broker = Scripted([OutcomeUnknown(), OutcomeUnknown(), None])
    await outbox(broker).publish(REQUEST)
    assert len(broker.published) == 3
    assert len({message.message_id for message in broker.published}) == 1
    for message in broker.published:
        (sent,) = messages.decode(WriteGroup, message.body).requests
        assert sent == REQUEST


@pytest.mark.parametrize("refusal", [BrokerUnavailable(), QueueFull()])
async def test_a_certain_refusal_is_told_as_it_is(refusal: SangrahaError) -> None:
    with pytest.raises(type(refusal)):
        await outbox(Scripted([refusal])).publish(REQUEST)


@pytest.mark.parametrize("later", [BrokerUnavailable(), QueueFull()])
async def test_after_an_unknown_outcome_no_refusal_is_certain(later: SangrahaError) -> None:
    with pytest.raises(OutcomeUnknown):
        await outbox(Scripted([OutcomeUnknown(), later])).publish(REQUEST)


async def test_past_the_deadline_the_outcome_stays_unknown() -> None:
    broker = Scripted([OutcomeUnknown()])
    with pytest.raises(OutcomeUnknown):
        await outbox(broker, timeout_seconds=0.01).publish(REQUEST)
    assert broker.published


async def test_what_was_never_confirmed_is_published_in_the_background_until_it_is() -> None:
    broker = Scripted([OutcomeUnknown(), BrokerUnavailable(), None])
    unconfirmed = Unconfirmed(outbox(broker, timeout_seconds=0.01))
    unconfirmed.keep(REQUEST)
    await eventually(lambda: len(broker.published) >= 3)
    await unconfirmed.stop()
    assert {message.message_id for message in broker.published} == {str(REQUEST.request_id)}
