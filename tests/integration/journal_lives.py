"""Journals that live one after the other on one file, for the tests of the journal."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sangraha.broker.journal import JournalBroker
from sangraha.broker.protocol import Delivery, Message
from sangraha.broker.topology import MIB, Queue
from tests.waiting import eventually

DEAD = Queue("dead", replicated=True, max_length=100, max_length_bytes=MIB)
WORK = Queue(
    "work",
    replicated=True,
    max_length=1000,
    max_length_bytes=MIB,
    delivery_limit=1,
    dead_letters_to=DEAD.name,
)
TRANSIENT = Queue("transient", replicated=False, max_length=10, max_length_bytes=MIB)


class Journals:
    """One journal after the other on one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.brokers: list[JournalBroker] = []

    async def start(self, *topology: Queue) -> JournalBroker:
        await self.close()
        broker = JournalBroker(self.path, topology or (DEAD, WORK, TRANSIENT))
        await broker.start()
        self.brokers.append(broker)
        return broker

    async def close(self) -> None:
        for broker in self.brokers:
            await broker.close()


async def publish(broker: JournalBroker, *message_ids: str, queue: Queue = WORK) -> None:
    for message_id in message_ids:
        message = Message(body=message_id.encode(), message_id=message_id)
        await broker.publish(queue.name, message, timeout_seconds=20)


async def receive(
    broker: JournalBroker, count: int, *, queue: Queue = WORK, prefetch: int = 100
) -> list[Delivery]:
    deliveries: list[Delivery] = []
    await broker.consume(queue.name, deliveries.append, prefetch=prefetch)
    await eventually(lambda: len(deliveries) >= count)
    return deliveries


@contextmanager
def write_locked(path: Path, *, alone: bool = False) -> Iterator[None]:
    """Somebody else writes to the file and takes long; `alone`, it cannot even be opened."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        if alone:
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        yield


def ids(deliveries: list[Delivery]) -> list[str]:
    return [delivery.message.message_id for delivery in deliveries]
