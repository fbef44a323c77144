"""The journal and its disk: full disks, foreign files, locks, and what lies in the folder."""

import asyncio
import resource
import sqlite3
import threading
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sangraha.broker.journal import JournalBroker
from sangraha.broker.journal.queue_state import RESIDENT_BYTES
from sangraha.broker.protocol import Delivery, Message
from sangraha.broker.topology import KIB, MIB, WRITE_QUEUE
from sangraha.errors import InvalidConfiguration, Unavailable
from tests.waiting import eventually

QUEUE = WRITE_QUEUE.name


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.sqlite"


@pytest.fixture
async def broker(path: Path) -> AsyncIterator[JournalBroker]:
    broker = JournalBroker(path)
    await broker.start()
    yield broker
    await broker.close()


async def publish(broker: JournalBroker, message_id: str, body: bytes) -> None:
    message = Message(body=body, message_id=message_id)
    await broker.publish(QUEUE, message, timeout_seconds=20)


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Writing past `size` bytes of any file of this process fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_on_a_full_disk_publishing_fails_and_works_again_once_there_is_room(
    broker: JournalBroker, path: Path
) -> None:
    deliveries: list[Delivery] = []
    await publish(broker, "before", bytes(10))

    with no_file_larger_than(path.with_name(path.name + "-wal").stat().st_size + 64 * KIB):
        refused = Message(body=bytes(MIB), message_id="refused")
        with pytest.raises(Unavailable):
            await broker.publish(QUEUE, refused, timeout_seconds=0.3)
        assert not broker.ready

    await broker.wait_ready(20)
    await publish(broker, "after", bytes(MIB))
    await broker.consume(QUEUE, deliveries.append, prefetch=10)
    await eventually(lambda: len(deliveries) >= 2)
    ids = [delivery.message.message_id for delivery in deliveries]
    assert [each for each in ids if each != "refused"] == ["before", "after"]


async def test_on_a_full_disk_messages_can_still_be_settled_and_make_room(
    broker: JournalBroker, path: Path
) -> None:
    deliveries: list[Delivery] = []
    for number in range(8):
        await publish(broker, f"m{number}", bytes(100 * KIB))
    await broker.consume(QUEUE, deliveries.append, prefetch=10)
    await eventually(lambda: len(deliveries) == 8)

    with no_file_larger_than(path.with_name(path.name + "-wal").stat().st_size + 16 * KIB):
        too_large_for_now = asyncio.create_task(publish(broker, "large", bytes(4 * MIB)))
        await eventually(lambda: not broker.ready)
        for delivery in deliveries:
            await delivery.ack()
        await eventually(lambda: kept_on_disk(path) == 0)
        assert not too_large_for_now.done()

    await too_large_for_now
    assert kept_on_disk(path) == 1


def kept_on_disk(path: Path) -> int:
    with sqlite3.connect(path) as other:
        (count,) = other.execute("SELECT count(*) FROM messages").fetchone()
    other.close()
    return int(count)


async def test_the_file_does_not_grow_while_messages_come_and_go(
    broker: JournalBroker, path: Path
) -> None:
    async def come_and_go(rounds: int) -> int:
        for _ in range(rounds):
            await publish(broker, "m", bytes(2 * MIB))
            delivery = await arrived.get()
            await delivery.ack()
        with sqlite3.connect(path) as other:
            (pages,) = other.execute("PRAGMA page_count").fetchone()
        other.close()
        return int(pages)

    arrived: asyncio.Queue[Delivery] = asyncio.Queue()
    await broker.consume(QUEUE, arrived.put_nowait, prefetch=1)

    first = await come_and_go(3)
    assert await come_and_go(30) <= first + 10
    assert path.with_name(path.name + "-wal").stat().st_size < 48 * MIB
    await broker.close()
    assert path.stat().st_size < 10 * MIB


async def test_bodies_of_a_long_queue_stay_on_disk_and_come_back_whole(
    broker: JournalBroker,
) -> None:
    size = 4 * MIB
    tracemalloc.start()
    try:
        for number in range(30):
            await publish(broker, f"m{number}", bytes([number]) * size)
        in_memory, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert in_memory < RESIDENT_BYTES + 2 * size

    arrived: asyncio.Queue[Delivery] = asyncio.Queue()
    await broker.consume(QUEUE, arrived.put_nowait, prefetch=2)
    for number in range(30):
        delivery = await arrived.get()
        assert delivery.message.message_id == f"m{number}"
        assert delivery.message.body == bytes([number]) * size
        assert delivery.redeliveries == 0
        await delivery.ack()


async def test_closing_leaves_one_file_its_lock_and_no_thread(
    broker: JournalBroker, path: Path
) -> None:
    await publish(broker, "m1", b"body")
    assert [each.name for each in threading.enumerate() if each.name.startswith("journal")]

    await broker.close()

    assert sorted(each.name for each in path.parent.iterdir()) == [
        "journal.sqlite",
        "journal.sqlite.lock",
    ]
    assert not [each.name for each in threading.enumerate() if each.name.startswith("journal")]


async def test_a_second_journal_on_the_same_folder_is_refused_by_name(
    broker: JournalBroker, path: Path
) -> None:
    second = JournalBroker(path)
    with pytest.raises(InvalidConfiguration, match=f"{path.parent} is in use"):
        await second.start()
    assert not second.ready

    await publish(broker, "m1", b"the first goes on")
    await broker.close()
    third = JournalBroker(path)
    await third.start()
    assert await third.depth(QUEUE) == 1
    await third.close()


async def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"a diary, not a database" * 100)

    refused = JournalBroker(path)
    with pytest.raises(InvalidConfiguration, match=r"journal\.sqlite"):
        await refused.start()

    assert path.read_bytes() == b"a diary, not a database" * 100
    assert not [each.name for each in threading.enumerate() if each.name.startswith("journal")]
    path.unlink()
    second = JournalBroker(path)
    await second.start()
    assert second.ready
    await second.close()


async def test_a_journal_of_a_later_version_is_refused(broker: JournalBroker, path: Path) -> None:
    await broker.close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()

    with pytest.raises(InvalidConfiguration, match="version 99"):
        await JournalBroker(path).start()


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(InvalidConfiguration, match="cannot be used"):
        await JournalBroker(tmp_path / "file" / "journal.sqlite").start()
