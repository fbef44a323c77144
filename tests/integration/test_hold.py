"""What the orchestrator holds, gives back and finishes while parts are away and at its end."""

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sangraha import messages
from sangraha.broker.protocol import Message
from sangraha.broker.topology import DEAD_LETTER_QUEUE, READ_QUEUE, WRITE_QUEUE
from sangraha.messages import (
    CreateObject,
    Done,
    Inline,
    ListObjects,
    ReadGroup,
    ReadReplies,
    WriteGroup,
)
from sangraha.settings import Settings
from tests.integration.conftest import House, open_house
from tests.waiting import eventually


@pytest.fixture
def impatient(tmp_path: Path) -> Settings:
    """Embedded parts; whatever is held is given back after half a second."""
    return Settings.model_validate(
        {
            "data_dir": tmp_path,
            "id_secret": secrets.token_hex(16),
            "hold_seconds": 0.5,
            "catalog_timeout_seconds": 0.3,
            "write_concurrency": 4,
        }
    )


@pytest.fixture
async def house_of_impatience(impatient: Settings) -> AsyncIterator[House]:
    async with open_house(impatient) as house:
        yield house


@contextmanager
def store_away(settings: Settings) -> Iterator[None]:
    folder = settings.data_dir / "store"
    away = folder.with_name("away")
    folder.rename(away)
    try:
        yield
    finally:
        away.rename(folder)


@asynccontextmanager
async def catalog_locked(settings: Settings) -> AsyncIterator[None]:
    file = settings.data_dir / "catalog.sqlite"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    # Another writer may have to finish on the event loop first.
    await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
    try:
        yield
    finally:
        await asyncio.to_thread(other.execute, "ROLLBACK")
        other.close()


async def publish(house: House, body: bytes = b"1") -> CreateObject:
    request = CreateObject(request_id=house.mint.new(), allowed=["json"], content=Inline(body))
    group = WriteGroup(group_id=request.request_id, requests=[request])
    message = Message(body=messages.encode(group), message_id=str(group.group_id))
    await house.broker.publish(WRITE_QUEUE.name, message, timeout_seconds=10)
    return request


async def done(house: House, *requests: CreateObject) -> bool:
    outcomes = await house.catalog.outcomes([request.request_id for request in requests])
    return len(outcomes) == len(requests) and all(isinstance(o, Done) for o in outcomes.values())


async def test_a_write_that_was_given_back_is_done_once_the_store_is_back(
    house_of_impatience: House,
) -> None:
    house = house_of_impatience
    with store_away(house.settings):
        request = await publish(house)
        # Held, given back to the queue, and not taken again while the store is away.
        await eventually(lambda: house.metric("sangraha_holds_total", part="store-unavailable"))

        async def waits() -> bool:
            return await house.broker.depth(WRITE_QUEUE.name) == 1

        await eventually(waits)
        assert await house.catalog.outcome(request.request_id) is None
    await eventually(lambda: done(house, request))
    assert house.metric("sangraha_redeliveries_total", queue=WRITE_QUEUE.name) == 1


async def test_an_outage_takes_no_more_from_the_queue_than_there_are_workers(
    house_of_impatience: House,
) -> None:
    house = house_of_impatience
    with store_away(house.settings):
        requests = [await publish(house) for _ in range(30)]
        held = house.settings.write_concurrency

        async def all_wait() -> bool:
            return await house.broker.depth(WRITE_QUEUE.name) == len(requests)

        await eventually(all_wait)
    await eventually(lambda: done(house, *requests), within_seconds=30)
    # Only what was at work when it began was delivered twice.
    assert house.metric("sangraha_redeliveries_total", queue=WRITE_QUEUE.name) <= held


async def test_a_dead_letter_waits_for_the_catalog_however_long_it_takes(
    house_of_impatience: House,
) -> None:
    house = house_of_impatience
    async with catalog_locked(house.settings):
        junk = Message(body=b"junk", message_id=str(house.mint.new()))
        await house.broker.publish(WRITE_QUEUE.name, junk, timeout_seconds=10)

        async def given_back() -> bool:
            held = house.metric("sangraha_holds_total", part="catalog-unavailable")
            return bool(held) and await house.broker.depth(DEAD_LETTER_QUEUE.name) == 1

        await eventually(given_back)
    await eventually(lambda: house.catalog.dead_letters(limit=1))
    assert await house.broker.depth(DEAD_LETTER_QUEUE.name) == 0


async def test_one_request_that_fails_for_a_reason_of_ours_is_set_aside_alone(
    house: House,
) -> None:
    first = await publish(house, b'"first"')
    await eventually(lambda: done(house, first))
    # The same id with other content: nothing a receiver would send, and nothing to be kept.
    clash = CreateObject(request_id=first.request_id, allowed=["json"], content=Inline(b'"other"'))
    others = [
        CreateObject(
            request_id=house.mint.new(), allowed=["json"], content=Inline(b"[%d]" % number)
        )
        for number in range(3)
    ]
    group = WriteGroup(group_id=house.mint.new(), requests=[others[0], clash, *others[1:]])
    message = Message(body=messages.encode(group), message_id=str(group.group_id))
    await house.broker.publish(WRITE_QUEUE.name, message, timeout_seconds=10)
    await eventually(lambda: done(house, *others))
    (letter,) = await eventually(lambda: house.catalog.dead_letters(limit=9))
    assert letter.fault.error == "InternalFault"
    assert "SHA-256" in letter.fault.message
    assert letter.request_ids == [first.request_id]
    assert house.metric("sangraha_dead_letters_total", reason="failed") == 1
    # What was there first is untouched, in the catalog and in the store.
    assert await done(house, first)


async def test_two_foreign_messages_in_the_dead_letter_queue_are_two_letters(
    house: House,
) -> None:
    for body in (b"one", b"two"):
        message = Message(body=body, message_id="foreign")
        await house.broker.publish(DEAD_LETTER_QUEUE.name, message, timeout_seconds=10)

    async def both() -> bool:
        return len(await house.catalog.dead_letters(limit=9)) == 2

    await eventually(both)


async def test_at_its_end_what_was_taken_is_settled_and_the_rest_stays_in_the_queue(
    settings: Settings,
) -> None:
    async with open_house(settings) as house:
        requests = [await publish(house) for _ in range(100)]
        (orchestrator,) = [s for s in house.composition.services if s.name == "orchestrator"]
        await orchestrator.drain(30)
        outcomes = await house.catalog.outcomes([one.request_id for one in requests])
        waiting = await house.broker.depth(WRITE_QUEUE.name)
        assert len(outcomes) + waiting == len(requests), "some are neither settled nor waiting"
        # Nothing is taken any more.
        late = await publish(house)
        assert await house.broker.depth(WRITE_QUEUE.name) == waiting + 1
        assert await house.catalog.outcome(late.request_id) is None


async def test_at_its_end_what_is_held_goes_back_to_the_queue_at_once(
    impatient: Settings,
) -> None:
    patient = impatient.model_copy(update={"hold_seconds": 600.0})
    async with open_house(patient) as house:
        with store_away(patient):
            await publish(house)
            await eventually(lambda: house.metric("sangraha_holds_total", part="store-unavailable"))
            (orchestrator,) = [s for s in house.composition.services if s.name == "orchestrator"]
            begun = datetime.now(UTC)
            await orchestrator.drain(60)
            assert (datetime.now(UTC) - begun).total_seconds() < 30
            assert await house.broker.depth(WRITE_QUEUE.name) == 1


async def test_a_read_that_cannot_be_answered_leaves_the_queue_all_the_same(house: House) -> None:
    replies: list[ReadReplies] = []
    await house.broker.open_reply_queue(
        "object_response_queue.test.odd",
        lambda message: replies.append(messages.decode(ReadReplies, message.body)),
    )
    asked = ReadGroup(
        group_id=house.mint.new(), requests=[ListObjects(read_id=house.mint.new(), page=1)]
    )
    message = Message(
        body=messages.encode(asked),
        message_id="not a UUID",
        reply_to="object_response_queue.test.odd",
        persistent=False,
        expires_in_seconds=10,
    )
    await house.broker.publish(READ_QUEUE.name, message, timeout_seconds=5)
    await eventually(lambda: replies)
    assert [reply.group_id for reply in replies] == [asked.group_id]
    assert await house.broker.depth(READ_QUEUE.name) == 0
