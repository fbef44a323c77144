"""What a journal does with what it finds in its file, and how it shares out the work of writing."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sangraha.broker.journal import JournalBroker
from sangraha.broker.protocol import Delivery, Message
from sangraha.broker.topology import MIB, Queue
from sangraha.errors import InvalidConfiguration
from tests.integration.journal_lives import (
    DEAD,
    TRANSIENT,
    WORK,
    Journals,
    ids,
    publish,
    receive,
)
from tests.waiting import eventually


@pytest.fixture
async def journals(tmp_path: Path) -> AsyncIterator[Journals]:
    journals = Journals(tmp_path / "journal.sqlite")
    yield journals
    await journals.close()


async def test_messages_come_in_their_old_order_with_their_deliveries_counted(
    journals: Journals,
) -> None:
    broker = await journals.start()
    await publish(broker, "a", "b", "c", "d", "e")
    held = await receive(broker, 3, prefetch=3)
    await held[1].ack()
    await eventually(lambda: len(held) == 4)

    broker = await journals.start()

    again = await receive(broker, 4)
    assert ids(again) == ["a", "c", "d", "e"]
    assert [delivery.redeliveries for delivery in again] == [1, 1, 1, 0]


async def test_a_message_handed_out_too_often_is_a_dead_letter_at_the_next_start(
    journals: Journals,
) -> None:
    broker = await journals.start()
    await publish(broker, "killer", "innocent")
    for _ in range(2):
        assert ids(await receive(broker, 1, prefetch=1)) == ["killer"]
        broker = await journals.start()

    (innocent,) = await receive(broker, 1)
    (dead,) = await receive(broker, 1, queue=DEAD)

    assert innocent.message.message_id == "innocent"
    assert innocent.redeliveries == 0
    assert dead.message.body == b"killer"
    assert dead.fault is not None
    assert (dead.fault.error, dead.fault.attempts) == ("delivery-limit", 2)


async def test_released_messages_are_handed_out_again_before_newer_ones(
    journals: Journals,
) -> None:
    broker = await journals.start()
    await publish(broker, "a", "b", "c", "d")
    held = await receive(broker, 2, prefetch=2)

    first, second = held
    await second.release()
    await first.release()

    await eventually(lambda: len(held) == 4)
    assert ids(held[2:]) == ["b", "a"]


async def test_a_deadline_holds_across_a_restart(journals: Journals) -> None:
    broker = await journals.start()
    for message_id, expires in (("late", 0.05), ("in time", 60.0)):
        message = Message(body=b"", message_id=message_id, expires_in_seconds=expires)
        await broker.publish(WORK.name, message, timeout_seconds=20)
    passed = time.monotonic() + 0.1
    broker = await journals.start()
    await eventually(lambda: time.monotonic() > passed)

    assert ids(await receive(broker, 1)) == ["in time"]

    broker = await journals.start()
    assert await broker.depth(WORK.name) == 1


async def test_messages_of_an_unknown_queue_wait_until_it_is_known_again(
    journals: Journals,
) -> None:
    broker = await journals.start()
    await publish(broker, "a")

    broker = await journals.start(DEAD)
    await publish(broker, "b", queue=DEAD)

    broker = await journals.start()
    assert ids(await receive(broker, 1)) == ["a"]


async def test_limits_count_what_was_there_before_the_start(journals: Journals) -> None:
    few = Queue("few", replicated=True, max_length=2, max_length_bytes=MIB)
    broker = await journals.start(few)
    await publish(broker, "a", "b", queue=few)

    broker = await journals.start(few)

    with pytest.raises(Exception, match="few holds 2 messages"):
        await publish(broker, "c", queue=few)


async def test_a_handler_that_fails_holds_up_nothing_else(journals: Journals) -> None:
    reported: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
    broker = await journals.start()
    handled: list[str] = []

    def fail_once(delivery: Delivery) -> None:
        if not reported and not handled:
            handled.append("failed")
            raise RuntimeError("the handler is broken")
        handled.append(delivery.message.message_id)

    await broker.consume(WORK.name, fail_once, prefetch=5)
    await publish(broker, "a", "b")

    await eventually(lambda: handled == ["failed", "b"])
    assert [str(error) for error in reported] == ["the handler is broken"]
    broker = await journals.start()
    assert ids(await receive(broker, 2)) == ["a", "b"]


async def test_a_cancelled_consumer_does_not_use_up_deliveries_it_never_got(
    journals: Journals,
) -> None:
    broker = await journals.start()
    await publish(broker, "a")
    never: list[Delivery] = []
    for _ in range(5):
        consumer = await broker.consume(WORK.name, never.append, prefetch=1)
        await consumer.cancel()

    (delivery,) = await receive(broker, 1)

    assert delivery.message.message_id == "a"
    assert delivery.redeliveries == 0
    assert not never


async def test_after_closing_no_handler_is_called(journals: Journals) -> None:
    broker = await journals.start()
    deliveries: list[Delivery] = []
    await broker.consume(WORK.name, deliveries.append, prefetch=10)
    await broker.consume(TRANSIENT.name, deliveries.append, prefetch=10)
    publishing = asyncio.create_task(publish(broker, "a"))
    await asyncio.sleep(0)
    await publish(broker, "b", queue=TRANSIENT)

    await broker.close()
    await publishing

    assert not deliveries
    broker = await journals.start()
    assert ids(await receive(broker, 1)) == ["a"]


@pytest.mark.parametrize(
    "topology",
    [
        (Queue("a", replicated=True, max_length=1, max_length_bytes=1, dead_letters_to="b"),),
        (
            Queue("a", replicated=False, max_length=1, max_length_bytes=1, dead_letters_to="dead"),
            DEAD,
        ),
    ],
)
async def test_a_topology_that_contradicts_itself_is_refused(
    tmp_path: Path, topology: tuple[Queue, ...]
) -> None:
    with pytest.raises(InvalidConfiguration, match=r"^a "):
        JournalBroker(tmp_path / "journal.sqlite", topology)


async def test_an_idle_publish_and_its_delivery_are_one_transaction(journals: Journals) -> None:
    broker = await journals.start()
    deliveries: list[Delivery] = []
    await broker.consume(WORK.name, deliveries.append, prefetch=10)
    with sqlite3.connect(journals.path) as other:
        await publish(broker, "a")
        # A confirmed message whose delivery was not counted with it would show 0 here.
        (counted,) = other.execute("SELECT deliveries FROM messages").fetchone()
    other.close()

    assert counted == 1
    await eventually(lambda: deliveries)
