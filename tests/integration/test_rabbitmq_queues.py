"""The queues as RabbitMQ has them, and what comes of finding or losing others."""

import asyncio
import dataclasses
import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiormq
import pytest

from development.servers import RabbitmqServer
from sangraha.broker.protocol import Delivery, Message
from sangraha.broker.rabbitmq import RabbitMQBroker
from sangraha.broker.topology import DEAD_LETTER_QUEUE, KIB, MIB, READ_QUEUE, TOPOLOGY, WRITE_QUEUE
from sangraha.broker.topology import Queue as QueueLimits
from sangraha.errors import BrokerUnavailable, InvalidConfiguration, MessageTooLarge
from tests.contract.broker_harness import Inbox, Worker, fault
from tests.faults.rabbitmq import control
from tests.waiting import eventually

IN_TIME = 20.0
MESSAGE = Message(body=b"body", message_id="m1")


@asynccontextmanager
async def connected(
    url: str, topology: Sequence[QueueLimits] = TOPOLOGY
) -> AsyncIterator[RabbitMQBroker]:
    broker = RabbitMQBroker(url, topology)
    await broker.start()
    try:
        await broker.wait_ready(IN_TIME)
        yield broker
    finally:
        await broker.close()


@asynccontextmanager
async def foreign_channel(url: str) -> AsyncIterator[aiormq.abc.AbstractChannel]:
    """A client that is none of ours."""
    connection = await aiormq.connect(url)
    try:
        yield await connection.channel()
    finally:
        await connection.close()


def vhost(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


async def queues(server: RabbitmqServer, url: str) -> dict[str, Any]:
    found = await asyncio.to_thread(server.manage, "GET", f"/api/queues/{vhost(url)}")
    return {queue["name"]: queue for queue in found}


async def test_the_queues_are_what_the_topology_says(
    rabbitmq_server: RabbitmqServer, rabbitmq_url: str
) -> None:
    reply_queue = f"object_response_queue.test.a.{secrets.token_hex(4)}"
    async with connected(rabbitmq_url) as broker:
        await broker.open_reply_queue(reply_queue, lambda _: None)
        found = await queues(rabbitmq_server, rabbitmq_url)

    assert {name: queue["arguments"] for name, queue in found.items()} == {
        WRITE_QUEUE.name: {
            "x-queue-type": "quorum",
            "x-delivery-limit": 20,
            "x-max-length": 100_000,
            "x-max-length-bytes": 2048 * MIB,
            "x-overflow": "reject-publish",
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": DEAD_LETTER_QUEUE.name,
            "x-dead-letter-strategy": "at-least-once",
        },
        DEAD_LETTER_QUEUE.name: {
            "x-queue-type": "quorum",
            "x-delivery-limit": 1_000_000,
            "x-max-length": 1_000_000,
            "x-max-length-bytes": 4096 * MIB,
            "x-overflow": "reject-publish",
        },
        READ_QUEUE.name: {
            "x-queue-type": "classic",
            "x-max-length": 20_000,
            "x-max-length-bytes": 64 * MIB,
            "x-overflow": "reject-publish",
        },
        reply_queue: {
            "x-queue-type": "classic",
            "x-expires": 60_000,
            "x-max-length": 10_000,
            "x-overflow": "drop-head",
        },
    }
    assert all(queue["durable"] for queue in found.values())
    assert not any(queue["auto_delete"] or queue["exclusive"] for queue in found.values())


async def test_a_queue_with_other_arguments_is_told_once_and_is_no_outage(
    rabbitmq_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    other = dataclasses.replace(READ_QUEUE, max_length=7)
    async with connected(rabbitmq_url, [other]):
        pass

    broker = RabbitMQBroker(rabbitmq_url)
    try:
        await broker.start()
        with pytest.raises(InvalidConfiguration, match=r"object_read_queue.*'x-max-length'.*'7'"):
            await broker.wait_ready(IN_TIME)
        with pytest.raises(BrokerUnavailable, match="x-max-length"):
            await broker.publish(WRITE_QUEUE.name, MESSAGE, timeout_seconds=IN_TIME)
        assert not broker.ready

        async with foreign_channel(rabbitmq_url) as operator:
            await operator.queue_delete(READ_QUEUE.name)

        await eventually(lambda: broker.ready, within_seconds=IN_TIME)
    finally:
        await broker.close()
    errors = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert len([each for each in errors if "publisher" in each]) == 1
    assert len([each for each in errors if "consumer" in each]) == 1


async def test_a_deleted_queue_is_declared_again_by_who_publishes(rabbitmq_url: str) -> None:
    async with connected(rabbitmq_url) as broker, foreign_channel(rabbitmq_url) as operator:
        await operator.queue_delete(READ_QUEUE.name)

        with pytest.raises(BrokerUnavailable, match=READ_QUEUE.name):
            await broker.publish(READ_QUEUE.name, MESSAGE, timeout_seconds=IN_TIME)

        await broker.publish(READ_QUEUE.name, MESSAGE, timeout_seconds=IN_TIME)
        assert await broker.depth(READ_QUEUE.name) == 1


async def test_a_deleted_queue_is_declared_and_consumed_again_by_who_consumed_it(
    rabbitmq_url: str,
) -> None:
    worker = Worker()
    async with connected(rabbitmq_url) as broker, foreign_channel(rabbitmq_url) as operator:
        await broker.consume(READ_QUEUE.name, worker, prefetch=3)
        await operator.queue_delete(READ_QUEUE.name)

        async def consumed_again() -> bool:
            declared = await broker.depth(READ_QUEUE.name) == 0
            return declared and bool(
                (await operator.queue_declare(READ_QUEUE.name, passive=True)).consumer_count
            )

        await eventually(lambda: not broker.ready)
        await broker.wait_ready(IN_TIME)
        await eventually(consumed_again, within_seconds=IN_TIME)
        await broker.publish(READ_QUEUE.name, MESSAGE, timeout_seconds=IN_TIME)
        await worker.has_done(["m1"])


async def test_what_others_put_on_a_queue_is_handed_over_as_it_is(rabbitmq_url: str) -> None:
    inbox = Inbox()
    async with connected(rabbitmq_url) as broker, foreign_channel(rabbitmq_url) as stranger:
        await broker.consume(WRITE_QUEUE.name, inbox, prefetch=1)
        await stranger.basic_publish(
            b"\xff",
            routing_key=WRITE_QUEUE.name,
            properties=aiormq.spec.Basic.Properties(
                headers={"list": [1, None], "none": None, "real": 1.5, "sangraha-fault": "{"},
            ),
        )
        (delivery,) = await inbox.holds(1)
        await delivery.dead_letter(fault())

        dead = Inbox()
        await broker.consume(DEAD_LETTER_QUEUE.name, dead, prefetch=1)
        (letter,) = await dead.holds(1)

    assert delivery.message.body == b"\xff"
    assert delivery.message.headers == {}
    assert delivery.fault is None
    assert letter.fault == fault()


async def test_headers_that_no_frame_would_hold_are_refused_and_neighbours_are_not(
    rabbitmq_url: str,
) -> None:
    async with connected(rabbitmq_url) as broker:
        for header, refused in ((64 * KIB, True), (63 * KIB, False)):
            message = dataclasses.replace(MESSAGE, headers={"long": "x" * header})
            sending = broker.publish(WRITE_QUEUE.name, message, timeout_seconds=IN_TIME)
            if refused:
                with pytest.raises(MessageTooLarge):
                    await sending
            else:
                await sending
        assert await broker.depth(WRITE_QUEUE.name) == 1


async def test_a_handler_that_fails_costs_a_delivery_and_the_message_ends_as_a_dead_letter(
    rabbitmq_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    handed_out = []

    def fails(delivery: Delivery) -> None:
        handed_out.append(delivery.message.message_id)
        raise ZeroDivisionError

    async with connected(rabbitmq_url) as broker:
        await broker.consume(WRITE_QUEUE.name, fails, prefetch=5)
        await broker.publish(WRITE_QUEUE.name, MESSAGE, timeout_seconds=IN_TIME)
        dead = Inbox()
        await broker.consume(DEAD_LETTER_QUEUE.name, dead, prefetch=1)
        (letter,) = await dead.holds(1)

    assert len(handed_out) == 21
    assert letter.fault is not None
    assert letter.fault.attempts == 21
    assert any("ZeroDivisionError" in (each.exc_text or "") for each in caplog.records)


async def test_consumers_that_come_and_go_leave_no_channels(
    rabbitmq_server: RabbitmqServer, rabbitmq_url: str
) -> None:
    async with connected(rabbitmq_url) as broker:
        for number in range(20):
            inbox = Inbox()
            message = dataclasses.replace(MESSAGE, message_id=f"m{number}")
            consumer = await broker.consume(WRITE_QUEUE.name, inbox, prefetch=2)
            await broker.publish(WRITE_QUEUE.name, message, timeout_seconds=IN_TIME)
            (held,) = await inbox.holds(1)
            await consumer.cancel()
            await held.ack()

        channels = await control(rabbitmq_server, "list_channels", "vhost")
        # One to confirm, one for replies, one to count queues.
        assert channels.split().count(vhost(rabbitmq_url)) == 3
        assert broker.ready
