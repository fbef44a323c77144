"""Redriving dead letters through the real orchestrator: nothing is lost, and nothing made twice."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from sangraha import messages
from sangraha.broker.protocol import Fault, Message
from sangraha.broker.topology import WRITE_QUEUE
from sangraha.catalog.catalog import DeadLetter, LetterFilter
from sangraha.errors import (
    AlreadyRedriven,
    BrokerUnavailable,
    CatalogUnavailable,
    NotFound,
    NotRedrivable,
)
from sangraha.messages import CreateObject, Dead, Done, Rejected, WriteGroup, WriteRequest
from sangraha.metrics import Metrics
from sangraha_cli.compose import open_broker
from sangraha_orchestrator.deaths import letter_of
from sangraha_orchestrator.documents import letter_document
from sangraha_orchestrator.redrive import Pace, Redriver
from sangraha_orchestrator.sweep import Sweeper
from tests.integration.conftest import House
from tests.integration.writer import aged, claim, create
from tests.waiting import eventually

AT_ONCE = 500.0
ALL = LetterFilter()


@pytest.fixture
def redriver(house: House) -> Redriver:
    return redriver_of(house, house.catalog)


def redriver_of(house: House, catalog: Any) -> Redriver:
    metrics = house.composition.metrics
    return Redriver(house.broker, catalog, metrics, publish_timeout_seconds=10)


async def given_up(house: House, *requests: WriteRequest, error: str = "tired") -> DeadLetter:
    """The letter of these requests, which somebody gave up after three attempts."""
    group = WriteGroup(group_id=house.mint.new(), requests=list(requests))
    return await recorded(house, messages.encode(group), error=error)


async def recorded(house: House, body: bytes, error: str = "tired") -> DeadLetter:
    message = Message(body=body, message_id=str(house.mint.new()), headers={"origin": "here"})
    now = datetime.now(UTC)
    fault = Fault(error=error, message="it was too much", attempts=3, host="w", failed_at=now)
    letter = letter_of(message, fault)
    await house.catalog.record_dead_letter(letter)
    return letter


async def redrive_all(redriver: Redriver, *, force: bool = False) -> dict[UUID, str | None]:
    """Every letter there is; why each was refused."""
    those = await redriver.those_now(ALL)
    return {
        attempt.letter_id: None if attempt.refusal is None else attempt.refusal.slug
        async for _, attempt in redriver.each(those, Pace(AT_ONCE), force=force)
    }


async def done(house: House, *requests: WriteRequest) -> None:
    """Wait until they are."""
    ids = [request.request_id for request in requests]

    async def all_done() -> bool:
        outcomes = await house.catalog.outcomes(ids)
        return all(isinstance(outcomes.get(request_id), Done) for request_id in ids)

    await eventually(all_done)


async def objects_in(house: House) -> list[UUID]:
    page = await house.catalog.list_objects(type=None, page=1, page_size=100)
    return sorted(one.object_id for one in page.objects)


async def new_letter(house: House, old: DeadLetter) -> DeadLetter:
    """The letter that the message of this one has become."""

    async def another() -> DeadLetter | None:
        letters = await house.catalog.dead_letters(limit=9)
        return next((one for one in letters if one.letter_id != old.letter_id), None)

    found = await eventually(another)
    assert found is not None
    return found


async def test_a_redriven_letter_is_done_and_answers_for_each_of_its_requests(
    house: House, redriver: Redriver
) -> None:
    good, wrong = create(house, b"1"), create(house, b"not json")
    letter = await given_up(house, good, wrong)
    redriven = await redriver.one(letter.letter_id)
    assert redriven.redriven_at is not None
    await done(house, good)

    async def refused() -> bool:
        return isinstance(await house.catalog.outcome(wrong.request_id), Rejected)

    await eventually(refused)
    assert await house.body_of(good.request_id) == b"1"
    assert house.metric("sangraha_redriven_letters_total", reason="failed") == 1
    assert await house.catalog.dead_letters(limit=9) == []
    with pytest.raises(AlreadyRedriven):
        await redriver.one(letter.letter_id)
    with pytest.raises(NotFound):
        await redriver.one(house.mint.new())


async def test_whoever_dies_between_confirm_and_note_leaves_a_letter_that_can_be_redriven(
    house: House, redriver: Redriver
) -> None:
    class Dying:
        def __getattr__(self, name: str) -> Any:
            return getattr(house.catalog, name)

        async def note_redriven(self, letter_id: UUID) -> None:
            raise CatalogUnavailable("it died")

    requests = [create(house, b"[%d]" % n, name="counted") for n in range(3)]
    letters = [await given_up(house, request) for request in requests]
    for letter in letters:
        with pytest.raises(CatalogUnavailable):
            await redriver_of(house, Dying()).one(letter.letter_id)
    assert len(await house.catalog.dead_letters(limit=9)) == 3
    assert await redrive_all(redriver) == dict.fromkeys((one.letter_id for one in letters), None)
    await done(house, *requests)
    await eventually(lambda: nothing_in_the_queue(house))
    current = await house.at("counted")
    assert current is not None
    assert current.version == 3
    assert await house.catalog.dead_letters(limit=9) == []


async def nothing_in_the_queue(house: House) -> bool:
    return await house.broker.depth(WRITE_QUEUE.name) == 0


async def test_a_letter_is_never_too_old(house: House, redriver: Redriver) -> None:
    stale = aged(house, house.settings.request_life_seconds + 60)
    request = await claim(house, b'"stale"', request_id=stale)
    letter = await given_up(house, request, error="expired")
    await redriver.one(letter.letter_id)
    await done(house, request)
    assert await house.body_of(stale) == b'"stale"'


async def test_what_comes_back_dead_is_a_letter_again_with_all_its_attempts(
    house: House, redriver: Redriver
) -> None:
    taken = create(house, b"1")
    await redriver.one((await given_up(house, taken)).letter_id)
    await done(house, taken)
    # The same id with other content: nothing a receiver would send, and nobody can commit it.
    request = create(house, b"2", request_id=taken.request_id)
    letter = await given_up(house, request)
    attempts = [3]
    for redrives in (1, 2):
        await redriver.one(letter.letter_id)
        back = await new_letter(house, letter)
        document = letter_document(back)
        attempts.append(attempts[-1] + back.fault.attempts)
        assert (document.redrives, document.attempts) == (redrives, attempts[-1])
        assert back.fault.error == "InternalFault"
        assert back.headers["origin"] == "here"
        letter = back
    assert await objects_in(house) == [taken.request_id]


async def test_those_that_are_there_now_come_to_an_end_though_all_come_back(
    house: House, redriver: Redriver
) -> None:
    letters = [await recorded(house, b"junk %d" % n) for n in range(5)]
    refused = await redrive_all(redriver)
    assert refused == dict.fromkeys((letter.letter_id for letter in letters), "not-redrivable")
    forced = await redrive_all(redriver, force=True)
    assert forced == dict.fromkeys((letter.letter_id for letter in letters), None)

    async def all_back() -> bool:
        back = await house.catalog.dead_letters(limit=9)
        return [letter_document(letter).redrives for letter in back] == [1] * 5

    await eventually(all_back)


async def test_what_would_come_straight_back_is_refused_with_the_reason(
    house: House, redriver: Redriver
) -> None:
    unreadable = await recorded(house, b"junk")
    with pytest.raises(NotRedrivable, match="nobody can read"):
        await redriver.one(unreadable.letter_id)
    request = await claim(house, b"1")
    swept = await given_up(house, request, error="swept")
    with pytest.raises(NotRedrivable, match="swept"):
        await redriver.one(swept.letter_id)
    assert len(await house.catalog.dead_letters(limit=9)) == 2
    # Its body is there after all.
    await redriver.one(swept.letter_id, force=True)
    await done(house, request)
    await redriver.one(unreadable.letter_id, force=True)
    assert (await new_letter(house, unreadable)).fault.error == "UndecodableMessage"


async def test_no_more_are_redriven_in_a_second_than_wanted_and_the_oldest_first(
    house: House, redriver: Redriver
) -> None:
    requests = [create(house, b"%d" % n) for n in range(11)]
    letters = [await given_up(house, request) for request in requests]
    began = time.monotonic()
    order = [attempt.letter_id async for _, attempt in redriver.each(ALL, Pace(20))]
    assert time.monotonic() - began >= 10 / 20
    assert order == [letter.letter_id for letter in letters]
    await done(house, *requests)


async def test_two_who_redrive_the_same_letters_make_each_object_once(
    house: House, redriver: Redriver
) -> None:
    requests = [create(house, b"%d" % n) for n in range(10)]
    for request in requests:
        await given_up(house, request)
    await asyncio.gather(*(redrive_all(redriver_of(house, house.catalog)) for _ in range(3)))
    await done(house, *requests)
    await eventually(lambda: nothing_in_the_queue(house))
    assert await objects_in(house) == sorted(request.request_id for request in requests)
    assert await house.catalog.dead_letters(limit=9) == []


async def test_while_the_broker_is_away_the_letter_waits(house: House) -> None:
    letter = await given_up(house, create(house, b"1"))
    # Nobody has started it.
    away = open_broker(house.settings.broker, "away")
    redriver = Redriver(away, house.catalog, Metrics(), publish_timeout_seconds=0.2)
    with pytest.raises(BrokerUnavailable):
        await redriver.one(letter.letter_id)
    await away.close()
    (waiting,) = await house.catalog.dead_letters(limit=9)
    assert waiting.letter_id == letter.letter_id


async def test_a_sweep_lets_go_of_redriven_letters_once_their_requests_are_settled(
    house: House, redriver: Redriver
) -> None:
    request = await claim(house, b'"kept"')
    assert isinstance(request, CreateObject)
    letter = await given_up(house, request)
    waits = await given_up(house, create(house, b"1"))
    await redriver.one(letter.letter_id)
    await done(house, request)
    sweeper = Sweeper(house.store, house.catalog, house.settings, Metrics())
    await sweeper.claim()
    await sweeper.sweep(dry_run=True)
    assert await house.catalog.dead_letter(letter.letter_id) is not None
    await sweeper.sweep()
    assert await house.catalog.dead_letter(letter.letter_id) is None
    assert await house.catalog.dead_letter(waits.letter_id) == waits
    assert isinstance(await house.catalog.outcome(waits.request_ids[0]), Dead)
    assert await house.body_of(request.request_id) == b'"kept"'
