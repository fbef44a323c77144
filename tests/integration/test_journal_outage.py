"""What becomes of messages while somebody else holds the journal's file."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sangraha.broker.journal import JournalBroker, dispatcher
from sangraha.broker.protocol import Delivery, Fault, Message
from sangraha.errors import BrokerUnavailable
from tests.integration.journal_lives import (
    DEAD,
    WORK,
    Journals,
    ids,
    publish,
    receive,
    write_locked,
)
from tests.waiting import eventually


@pytest.fixture
async def journals(tmp_path: Path) -> AsyncIterator[Journals]:
    journals = Journals(tmp_path / "journal.sqlite")
    yield journals
    await journals.close()


async def test_a_message_published_before_the_file_can_be_opened_replaces_none_in_it(
    journals: Journals,
) -> None:
    broker = await journals.start()
    await publish(broker, "old")
    await journals.close()
    with write_locked(journals.path, alone=True):
        broker = JournalBroker(journals.path, (DEAD, WORK))
        journals.brokers.append(broker)
        await broker.start()
        publishing = asyncio.create_task(publish(broker, "new"))
        await asyncio.sleep(0)
        assert not broker.ready

    await publishing

    assert ids(await receive(broker, 2)) == ["old", "new"]


async def test_a_dead_letter_that_could_not_be_moved_may_still_be_settled(
    journals: Journals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "DEAD_LETTER_SECONDS", 0.1)
    broker = await journals.start()
    await publish(broker, "a")
    (delivery,) = await receive(broker, 1)
    fault = Fault(error="E", message="m", attempts=1, host="h", failed_at=datetime.now(UTC))

    with write_locked(journals.path), pytest.raises(BrokerUnavailable):
        await delivery.dead_letter(fault)
    await delivery.dead_letter(fault)

    (letter,) = await receive(broker, 1, queue=DEAD)
    assert letter.fault == fault


@pytest.mark.parametrize("turns", range(6))
async def test_a_message_that_was_refused_is_not_handed_out(journals: Journals, turns: int) -> None:
    broker = await journals.start()
    deliveries: list[Delivery] = []
    with write_locked(journals.path):
        refused = Message(body=b"", message_id="refused")
        publishing = asyncio.create_task(broker.publish(WORK.name, refused, timeout_seconds=0.3))
        # The consumer comes before, while or after a transaction with the message fails.
        for _ in range(turns):
            await asyncio.sleep(0)
        await broker.consume(WORK.name, deliveries.append, prefetch=1)
        with pytest.raises(BrokerUnavailable):
            await publishing
        assert await broker.depth(WORK.name) == 0

    await broker.wait_ready(20)
    await publish(broker, "a", "b")
    await eventually(lambda: deliveries)
    await deliveries[0].ack()
    await eventually(lambda: len(deliveries) == 2)
    assert ids(deliveries) == ["a", "b"]


async def test_a_message_that_expires_before_it_is_written_leaves_once(
    journals: Journals,
) -> None:
    broker = await journals.start()
    short = Message(body=b"1234", message_id="short", expires_in_seconds=0.05)
    with write_locked(journals.path):
        publishing = asyncio.create_task(broker.publish(WORK.name, short, timeout_seconds=0.3))
        await eventually(lambda: not broker.ready)
        passed = time.monotonic() + 0.1
        await eventually(lambda: time.monotonic() > passed)
        deliveries: list[Delivery] = []
        await broker.consume(WORK.name, deliveries.append, prefetch=1)
        with pytest.raises(BrokerUnavailable):
            await publishing

    await broker.wait_ready(20)
    assert await broker.depth(WORK.name) == 0
    await publish(broker, "a")
    await eventually(lambda: ids(deliveries) == ["a"])


async def test_closing_during_an_outage_tells_who_waits(journals: Journals) -> None:
    broker = await journals.start()
    with write_locked(journals.path):
        publishing = asyncio.create_task(publish(broker, "a"))
        await eventually(lambda: not broker.ready)
        await broker.close()
        with pytest.raises(BrokerUnavailable):
            await publishing

    broker = await journals.start()
    assert await broker.depth(WORK.name) == 0
