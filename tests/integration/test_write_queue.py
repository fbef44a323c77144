"""What the orchestrator makes of messages on the write queue, good, bad and broken."""

import asyncio
import time

from sangraha import messages
from sangraha.broker.protocol import Broker, Delivery, Message
from sangraha.broker.topology import WRITE_QUEUE
from sangraha.catalog.dead_letter import DeadLetter
from sangraha.content_types import libmagic
from sangraha.ids import IdMint
from sangraha.messages import (
    CreateObject,
    Dead,
    Done,
    Inline,
    Rejected,
    WriteGroup,
    WriteOutcome,
)
from sangraha.settings import Settings
from tests.integration.conftest import House, open_house
from tests.integration.writer import Writer, aged, create
from tests.waiting import eventually


async def letters(house: House, count: int) -> list[DeadLetter]:
    async def there() -> list[DeadLetter]:
        found = await house.catalog.dead_letters(limit=100)
        return found if len(found) >= count else []

    found = await eventually(there)
    assert len(found) == count
    return found


async def test_a_group_is_answered_by_one_reply_in_which_each_request_has_its_own_end(
    house: House,
) -> None:
    writer = await Writer(house).open()
    good, wrong, empty, last = (
        create(house, body) for body in (b'{"a": 1}', b"not json", b"", b"[2]")
    )
    outcomes = await writer.send(good, wrong, empty, last)
    assert [type(one) for one in outcomes] == [Done, Rejected, Rejected, Done]
    assert [one.request_id for one in outcomes] == [
        one.request_id for one in (good, wrong, empty, last)
    ]
    assert [one.problem.slug for one in outcomes if isinstance(one, Rejected)] == [
        "type-not-allowed",
        "empty-body",
    ]
    assert await house.catalog.outcomes([one.request_id for one in outcomes]) == {
        one.request_id: one for one in outcomes
    }
    found = await house.catalog.locate([good.request_id, wrong.request_id, last.request_id])
    assert found.keys() == {good.request_id, last.request_id}


async def test_a_group_published_twice_makes_one_object_and_is_answered_alike(
    house: House,
) -> None:
    writer = await Writer(house).open()
    request = create(house, b'"once"')
    first = await writer.send(request)
    assert await writer.send(request) == first
    page = await house.catalog.list_objects(type=None, page=1, page_size=10)
    assert [one.object_id for one in page.objects] == [request.request_id]


async def test_a_body_that_is_slow_to_judge_holds_nobody_else_up(house: House) -> None:
    blank = b"\n" * 8192
    libmagic.load()
    started = time.perf_counter()
    libmagic.content_type(blank)
    judging_seconds = time.perf_counter() - started
    writer = await Writer(house).open()
    writing = asyncio.create_task(writer.one(create(house, blank, allowed=[])))
    pauses = [0.0]
    while not writing.done():
        before = time.perf_counter()
        await asyncio.sleep(0)
        pauses.append(time.perf_counter() - before)
    assert isinstance(writing.result(), Done)
    assert max(pauses) < judging_seconds / 2


async def test_a_poison_message_becomes_a_dead_letter_while_other_writes_go_on(
    house: House,
) -> None:
    writer = await Writer(house).open()
    poisoned = create(house, b"[]")
    group = WriteGroup(group_id=house.mint.new(), requests=[poisoned])
    broken = bytearray(messages.encode(group))
    broken[-1] ^= 1
    await writer.publish(bytes(broken), group.group_id, [poisoned])
    assert isinstance((await writer.one(create(house, b"1"))), Done)
    (listed,) = await letters(house, 1)
    assert listed.fault.error == "UndecodableMessage"
    assert "checksum" in listed.fault.message
    assert listed.fault.attempts == 1
    assert listed.message_id == str(group.group_id)
    assert listed.request_ids == [poisoned.request_id]
    whole = await house.catalog.dead_letter(listed.letter_id)
    assert whole is not None
    assert whole.body == bytes(broken)
    # What became of the request is told from then on, instead of `accepted` for ever.
    assert isinstance(await house.catalog.outcome(poisoned.request_id), Dead)
    assert house.metric("sangraha_dead_letters_total", reason="undecodable") == 1
    assert await house.broker.depth(WRITE_QUEUE.name) == 0


async def test_random_bytes_in_the_queue_stop_nothing(house: House) -> None:
    writer = await Writer(house).open()
    for junk in (b"", b"SG", b"\x00" * 100, b"SG\x02" + b"x" * 50, b"{}"):
        await writer.publish(junk, house.mint.new())
    await letters(house, 5)
    assert isinstance((await writer.one(create(house, b"1"))), Done)


async def test_a_request_older_than_any_may_be_is_set_aside_and_its_neighbour_goes_on(
    house: House,
) -> None:
    writer = await Writer(house).open()
    stale_id = aged(house, house.settings.request_life_seconds + 60)
    stale, fresh = create(house, b"1", request_id=stale_id), create(house, b"2")
    outcomes = await writer.send(stale, fresh)
    assert [type(one) for one in outcomes] == [Dead, Done]
    (letter,) = await letters(house, 1)
    assert letter.fault.error == "expired"
    assert letter.request_ids == [stale_id]


async def test_one_request_that_no_database_can_keep_does_not_fail_its_neighbours(
    house: House,
) -> None:
    writer = await Writer(house).open()
    odd = create(house, b"1", metadata={"a": "nul \0 inside"})
    outcomes = await writer.send(create(house, b"0"), odd, create(house, b"2"))
    assert [type(one) for one in outcomes] == [Done, Rejected, Done]
    assert await house.catalog.outcome(odd.request_id) == outcomes[1]


async def test_the_time_in_the_queue_and_the_size_of_groups_are_measured(house: House) -> None:
    writer = await Writer(house).open()
    await writer.send(create(house, b"1"), create(house, b"2"))
    queue = {"queue": "object_write_queue"}
    assert house.metric("sangraha_group_requests_sum", **queue) == 2
    assert house.metric("sangraha_write_outcomes_total", outcome="done") == 2
    assert house.metric("sangraha_store_seconds_count", operation="put", result="ok") >= 2


async def test_a_body_altered_on_the_way_is_never_stored(house: House) -> None:
    writer = await Writer(house).open()
    request = create(house, b'{"amount": 1000}')
    group = WriteGroup(group_id=house.mint.new(), requests=[request])
    altered = messages.encode(group).replace(b"1000", b"9000")
    await writer.publish(altered, group.group_id, [request])
    (letter,) = await letters(house, 1)
    assert letter.request_ids == [request.request_id]
    assert not await house.catalog.locate([request.request_id])


async def test_what_another_worker_gave_back_is_done_and_counted_as_redelivered(
    settings: Settings,
) -> None:
    mint = IdMint(settings.secret())
    request = CreateObject(request_id=mint.new(), allowed=["json"], content=Inline(b"1"))
    group = WriteGroup(group_id=mint.new(), requests=[request])

    async def hand_out_and_give_back(broker: Broker) -> None:
        message = Message(body=messages.encode(group), message_id=str(group.group_id))
        await broker.publish(WRITE_QUEUE.name, message, timeout_seconds=10)
        taken: list[Delivery] = []
        consumer = await broker.consume(WRITE_QUEUE.name, taken.append, prefetch=1)
        await eventually(lambda: taken)
        await consumer.cancel()
        await taken[0].release()

    async with open_house(settings, before=hand_out_and_give_back) as house:

        async def outcome() -> WriteOutcome | None:
            return await house.catalog.outcome(request.request_id)

        assert isinstance(await eventually(outcome), Done)
        queue = {"queue": WRITE_QUEUE.name}
        assert house.metric("sangraha_redeliveries_total", **queue) == 1
