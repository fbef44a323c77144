"""Messages that RabbitMQ lets through and the client library cannot read disturb nobody."""

import logging
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic
from pamqp.common import FieldValue

from sangraha.broker.protocol import Broker, Delivery, Message
from sangraha.broker.rabbitmq import delivery as deliveries
from sangraha.broker.rabbitmq.envelope import opened
from sangraha.broker.topology import DEAD_LETTER_QUEUE, READ_QUEUE, WRITE_QUEUE, Queue
from tests.contract.broker_harness import Inbox, Worker, drained, fault, has_depth, publish
from tests.integration.test_rabbitmq_queues import connected, foreign_channel

NANOSECONDS: Final = struct.pack(">Q", 1_700_000_000 * 10**9)


class RawProperties(Basic.Properties):
    """Properties given as the bytes that go over the wire."""

    def __init__(self, raw: Mapping[str, bytes]) -> None:
        super().__init__()
        for name, value in raw.items():
            setattr(self, name, value)

    def encode_property(self, name: str, value: FieldValue) -> bytes:
        return value if isinstance(value, bytes) else super().encode_property(name, value)


def short(value: bytes) -> bytes:
    return bytes([len(value)]) + value


def long(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def nested(depth: int, kind: bytes, inner: bytes) -> bytes:
    value = b"V"
    for _ in range(depth):
        value = kind + long(inner + value)
    return value


FOREIGN: Final[Mapping[str, Mapping[str, bytes]]] = MappingProxyType(
    {
        "timestamp": {"timestamp": NANOSECONDS},
        "timestamp-end": {"timestamp": b"\xff" * 8},
        "message-id": {"message_id": short(b"\xff" * 255)},
        "content-type": {"content_type": short(b"text/\xff")},
        "correlation-id": {"correlation_id": short(b"\xff"), "reply_to": short(b"\xfe")},
        "header-name": {"headers": long(short(b"\xff") + b"S" + long(b"kept"))},
        "header-text": {"headers": long(short(b"a") + b"S" + long(b"\xff"))},
        "header-time": {"headers": long(short(b"a") + b"T" + NANOSECONDS)},
        "header-tables": {"headers": long(short(b"a") + nested(3000, b"F", short(b"\xff")))},
        "header-arrays": {"headers": long(short(b"a") + nested(3000, b"A", b""))},
        "forged-fault": {"headers": long(short(b"sangraha-fault") + b"S" + long(b"[" * 50_000))},
    }
)


async def send(stranger: AbstractChannel, queue: Queue, raw: Mapping[str, bytes]) -> None:
    await stranger.basic_publish(b"\xff", routing_key=queue.name, properties=RawProperties(raw))


def neighbour(message_id: str) -> Message:
    return Message(body=b"body", message_id=message_id)


async def went_on_undisturbed(
    broker: Broker, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    await has_depth(broker, queue, 0)
    lost = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert not lost


@pytest.mark.parametrize("raw", FOREIGN.values(), ids=FOREIGN.keys())
@pytest.mark.parametrize("queue", [WRITE_QUEUE, DEAD_LETTER_QUEUE], ids=["write", "dead letter"])
async def test_a_foreign_message_is_delivered_and_its_neighbours_are_delivered_once(
    rabbitmq_url: str, caplog: pytest.LogCaptureFixture, queue: Queue, raw: Mapping[str, bytes]
) -> None:
    inbox = Inbox()
    async with connected(rabbitmq_url) as broker, foreign_channel(rabbitmq_url) as stranger:
        await publish(broker, queue, neighbour("before"))
        await send(stranger, queue, raw)
        await publish(broker, queue, neighbour("after"))
        await broker.consume(queue.name, inbox, prefetch=5)

        first, foreign, last = await inbox.holds(3)
        for each in (foreign, first, last):
            await each.ack()

        await went_on_undisturbed(broker, queue, caplog)
        assert [each.redeliveries for each in inbox.deliveries] == [0, 0, 0]
        assert [first.message.message_id, last.message.message_id] == ["before", "after"]
        assert foreign.message.body == b"\xff"
        assert foreign.fault is None
    async with connected(rabbitmq_url) as broker:
        assert await drained(broker, queue) == []


@pytest.mark.parametrize("raw", FOREIGN.values(), ids=FOREIGN.keys())
async def test_a_foreign_message_can_be_dead_lettered_and_its_letter_read(
    rabbitmq_url: str, caplog: pytest.LogCaptureFixture, raw: Mapping[str, bytes]
) -> None:
    inbox, dead = Inbox(), Inbox()
    async with connected(rabbitmq_url) as broker, foreign_channel(rabbitmq_url) as stranger:
        await broker.consume(WRITE_QUEUE.name, inbox, prefetch=5)
        await send(stranger, WRITE_QUEUE, raw)
        (foreign,) = await inbox.holds(1)
        await foreign.dead_letter(fault())

        await broker.consume(DEAD_LETTER_QUEUE.name, dead, prefetch=5)
        (letter,) = await dead.holds(1)
        assert letter.message == foreign.message
        assert letter.fault == fault()
        await letter.ack()
        await went_on_undisturbed(broker, WRITE_QUEUE, caplog)
        await went_on_undisturbed(broker, DEAD_LETTER_QUEUE, caplog)


async def test_what_can_be_read_of_a_foreign_message_is_handed_over(rabbitmq_url: str) -> None:
    inbox = Inbox()
    headers = (
        (short(b"first") + b"S" + long(b"one"))
        + (short(b"caf\xe9") + b"S" + long(b"two"))
        + (short(b"when") + b"T" + NANOSECONDS)
        + (short(b"deep") + nested(3000, b"A", b""))
        + (short(b"last") + b"I" + struct.pack(">i", 3))
    )
    raw = {
        "message_id": short(b"\xffid"),
        "correlation_id": short("सहचर".encode()),
        "timestamp": NANOSECONDS,
        "headers": long(headers),
    }
    async with connected(rabbitmq_url) as broker, foreign_channel(rabbitmq_url) as stranger:
        await broker.consume(WRITE_QUEUE.name, inbox, prefetch=5)
        await send(stranger, WRITE_QUEUE, raw)
        (foreign,) = await inbox.holds(1)

    assert foreign.message.message_id == "?id"
    assert foreign.message.correlation_id == "सहचर"
    assert foreign.message.headers == {"first": "one", "caf?": "two", "last": 3}


def fails(_: Delivery) -> None:
    raise ZeroDivisionError


async def test_a_foreign_message_that_always_fails_ends_as_a_dead_letter_of_the_broker(
    rabbitmq_url: str,
) -> None:
    async with connected(rabbitmq_url) as broker, foreign_channel(rabbitmq_url) as stranger:
        dead = Inbox()
        await broker.consume(WRITE_QUEUE.name, fails, prefetch=5)
        await send(stranger, WRITE_QUEUE, FOREIGN["header-name"])
        await broker.consume(DEAD_LETTER_QUEUE.name, dead, prefetch=5)
        (letter,) = await dead.holds(1)

    assert letter.fault is not None
    assert (letter.fault.error, letter.fault.attempts) == ("delivery-limit", 21)
    assert abs(letter.fault.failed_at - datetime.now(UTC)).total_seconds() < 60


@pytest.mark.parametrize("queue", [WRITE_QUEUE, READ_QUEUE], ids=["write", "read"])
async def test_a_message_that_cannot_be_made_a_delivery_is_settled_and_told_once(
    rabbitmq_url: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    queue: Queue,
) -> None:
    # No message is known to do this: what fails here is put there.
    def fails_at_one(delivered: DeliveredMessage) -> Message:
        if delivered.header.properties.message_id == "unreadable":
            raise ZeroDivisionError
        return opened(delivered)

    monkeypatch.setattr(deliveries, "opened", fails_at_one)
    worker = Worker()
    async with connected(rabbitmq_url) as broker:
        consumer = await broker.consume(queue.name, worker, prefetch=1)
        sent = [neighbour(name) for name in ("before", "unreadable", "after")]
        await publish(broker, queue, *sent)
        await worker.has_done(["before", "after"])
        await consumer.cancel()

        monkeypatch.undo()
        expected = ["unreadable"] if queue.dead_letters_to else []
        await has_depth(broker, DEAD_LETTER_QUEUE, len(expected))
        assert await drained(broker, DEAD_LETTER_QUEUE) == expected
        assert await drained(broker, queue) == []
    told = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(told) == 1
    assert queue.name in told[0]
