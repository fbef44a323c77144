"""What the broker contract is tried with: its queues, the harness a broker's tests provide, and
handlers that keep or ack what they get. It knows no broker and asserts nothing about one.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Final, Protocol

from sangraha.broker.protocol import Broker, Consumer, Delivery, Fault, Message
from sangraha.broker.topology import MIB, Queue
from sangraha.errors import (
    QueueFull,
)
from tests.waiting import eventually

DEAD: Final = Queue(
    "work.dlq",
    replicated=True,
    max_length=1000,
    max_length_bytes=64 * MIB,
    delivery_limit=1_000_000,
)
WORK: Final = Queue(
    "work",
    replicated=True,
    max_length=2000,
    max_length_bytes=64 * MIB,
    delivery_limit=2,
    dead_letters_to=DEAD.name,
)
FEW: Final = Queue(
    "few",
    replicated=True,
    max_length=5,
    max_length_bytes=MIB,
    delivery_limit=2,
    dead_letters_to=DEAD.name,
)
SMALL: Final = Queue(
    "small",
    replicated=True,
    max_length=1000,
    max_length_bytes=10_000,
    delivery_limit=2,
    dead_letters_to=DEAD.name,
)
READS: Final = Queue("reads", replicated=False, max_length=20, max_length_bytes=100_000)

CONTRACT_TOPOLOGY: Final = (DEAD, WORK, FEW, SMALL, READS)

IN_TIME: Final = 20.0
"""Seconds that anything which must happen may take on a busy machine."""


class BrokerHarness(Protocol):
    """One broker installation, and the ways to hurt it."""

    def unstarted(self) -> Broker:
        """A broker on this installation, not started yet; closed when the test ends."""

    async def new_broker(self) -> Broker:
        """A broker that is started and ready. Only one at a time is alive in any test."""

    async def crash(self, broker: Broker) -> None:
        """The process this broker lives in dies at once; nothing it held is settled."""

    async def crash_server(self, broker: Broker) -> Broker:
        """All there is of the broker dies by kill -9 and comes back: the broker, ready again."""

    def outage(self) -> AbstractAsyncContextManager[None]:
        """Inside, publishing to replicated queues cannot work; brokers live on, and recover."""

    def swallowed_confirms(self) -> AbstractAsyncContextManager[None]:
        """Inside, publishes to WORK go through, but take more than 0.3 s to be confirmed."""


class Inbox:
    """A handler that keeps what it is given."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []

    def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)

    @property
    def ids(self) -> list[str]:
        return [delivery.message.message_id for delivery in self.deliveries]

    async def holds(self, count: int) -> list[Delivery]:
        await eventually(
            lambda: len(self.deliveries) >= count,
            within_seconds=IN_TIME,
            what=f"{count} deliveries",
        )
        assert len(self.deliveries) == count
        return self.deliveries


class Worker:
    """A handler that acks everything, and remembers the ids in order."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, delivery: Delivery) -> None:
        self.ids.append(delivery.message.message_id)
        task = asyncio.create_task(delivery.ack())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def has_done(self, ids: Sequence[str]) -> None:
        await eventually(
            lambda: set(ids) <= set(self.ids), within_seconds=IN_TIME, what="all ids handled"
        )
        while self._tasks:
            await asyncio.gather(*self._tasks)


def message(message_id: str, body: bytes = b"body", expires: float | None = None) -> Message:
    return Message(
        body=body,
        message_id=message_id,
        expires_in_seconds=expires,
        persistent=expires is None,
    )


async def publish(broker: Broker, queue: Queue, *messages: Message) -> list[str]:
    for each in messages:
        await broker.publish(queue.name, each, timeout_seconds=IN_TIME)
    return [each.message_id for each in messages]


async def publish_until_refused(broker: Broker, queue: Queue, body: bytes) -> list[str]:
    """The ids that were confirmed; a broker may overshoot a limit a little."""
    confirmed: list[str] = []
    for number in range(20):
        try:
            await publish(broker, queue, message(f"m{number}", body))
        except QueueFull:
            return confirmed
        confirmed.append(f"m{number}")
    raise AssertionError(f"{queue.name} never refused")


async def has_depth(broker: Broker, queue: Queue, depth: int) -> None:
    async def reached() -> bool:
        return await broker.depth(queue.name) == depth

    await eventually(reached, within_seconds=IN_TIME, what=f"{queue.name} holds {depth}")


async def drained(broker: Broker, queue: Queue) -> list[str]:
    """The ids in the queue, in order, after acking all of them."""
    worker = Worker()
    consumer = await broker.consume(queue.name, worker, prefetch=1)
    await has_depth(broker, queue, 0)
    await publish_once_there_is_room(broker, queue, message("the end"))
    await worker.has_done(["the end"])
    await consumer.cancel()
    return worker.ids[:-1]


async def publish_once_there_is_room(broker: Broker, queue: Queue, sent: Message) -> None:
    async def taken() -> bool:
        try:
            await publish(broker, queue, sent)
        except QueueFull:
            return False
        return True

    await eventually(taken, within_seconds=IN_TIME, what=f"room in {queue.name}")


async def held_on_first_delivery(
    broker: Broker, queue: Queue, *messages: Message
) -> tuple[Consumer, list[Delivery]]:
    await publish(broker, queue, *messages)
    inbox = Inbox()
    consumer = await broker.consume(queue.name, inbox, prefetch=len(messages))
    return consumer, list(await inbox.holds(len(messages)))


def fault(**changes: str) -> Fault:
    told = {"error": "UndecodableMessage", "message": "कुछ गलत है", "stack": "at é:1"} | changes
    return Fault(
        error=told["error"],
        message=told["message"],
        stack=told["stack"],
        attempts=3,
        host="मेज़बान-7",
        failed_at=datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC),
    )
