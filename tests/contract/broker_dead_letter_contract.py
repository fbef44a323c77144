"""How messages end as dead letters, and what is told with them."""

from sangraha.broker.protocol import MAX_STACK_BYTES, Message
from tests.contract.broker_harness import (
    DEAD,
    IN_TIME,
    WORK,
    BrokerHarness,
    Inbox,
    drained,
    fault,
    has_depth,
    held_on_first_delivery,
    message,
    publish,
)
from tests.waiting import eventually


class DeadLetterContract:
    async def test_a_message_past_its_delivery_limit_becomes_a_dead_letter(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()
        sent = Message(
            body=b"\x00poison", message_id="m1", correlation_id="c1", headers={"kind": "write"}
        )
        await publish(broker, WORK, sent)
        inbox, dead = Inbox(), Inbox()
        await broker.consume(DEAD.name, dead, prefetch=1)
        await broker.consume(WORK.name, inbox, prefetch=1)

        for deliveries in (1, 2, 3):
            await inbox.holds(deliveries)
            await inbox.deliveries[-1].release()
        (letter,) = await dead.holds(1)

        assert [delivery.redeliveries for delivery in inbox.deliveries] == [0, 1, 2]
        assert letter.message == sent
        assert letter.fault is not None
        assert letter.fault.error == "delivery-limit"
        assert letter.fault.attempts == 3
        assert letter.fault.failed_at.tzinfo is not None
        assert letter.redeliveries == 0

    async def test_crashes_count_towards_the_delivery_limit(self, harness: BrokerHarness) -> None:
        broker = await harness.new_broker()
        await publish(broker, WORK, message("m1"))
        for _ in range(3):
            inbox = Inbox()
            await broker.consume(WORK.name, inbox, prefetch=1)
            await inbox.holds(1)
            await harness.crash(broker)
            broker = await harness.new_broker()

        await has_depth(broker, DEAD, 1)
        assert await drained(broker, WORK) == []
        assert await drained(broker, DEAD) == ["m1"]

    async def test_a_dead_letter_carries_its_reason_and_the_whole_message(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()
        sent = Message(
            body=bytes(range(256)),
            message_id="m1",
            correlation_id="c1",
            reply_to="replies.1",
            headers={"attempts": 1, "name": "नाम"},
        )
        _, (delivery,) = await held_on_first_delivery(broker, WORK, sent)

        await delivery.dead_letter(fault())

        dead = Inbox()
        await broker.consume(DEAD.name, dead, prefetch=1)
        (letter,) = await dead.holds(1)
        assert letter.message == sent
        assert dict(letter.message.headers) == dict(sent.headers)
        assert letter.fault == fault()
        await has_depth(broker, WORK, 0)
        await letter.ack()
        await has_depth(broker, DEAD, 0)

    async def test_a_long_reason_is_cut_where_it_says_least(self, harness: BrokerHarness) -> None:
        broker = await harness.new_broker()
        long = fault(message="ग" * 5_000, stack="क" * 5_000 + "the last line")
        _, (delivery,) = await held_on_first_delivery(broker, WORK, message("m1"))

        await delivery.dead_letter(long)

        dead = Inbox()
        await broker.consume(DEAD.name, dead, prefetch=1)
        (letter,) = await dead.holds(1)
        assert letter.fault == long.cut()
        assert MAX_STACK_BYTES - 3 < len(letter.fault.stack.encode()) <= MAX_STACK_BYTES
        assert letter.fault.stack.endswith("क" + "the last line")
        assert MAX_STACK_BYTES - 3 < len(letter.fault.message.encode()) <= MAX_STACK_BYTES
        assert letter.fault.message.startswith("ग")

    async def test_a_dead_letter_keeps_its_reason_when_it_is_given_back_or_the_broker_dies(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()
        _, (delivery,) = await held_on_first_delivery(broker, WORK, message("m1"))
        await delivery.dead_letter(fault())
        dead = Inbox()
        await broker.consume(DEAD.name, dead, prefetch=1)
        (letter,) = await dead.holds(1)
        await letter.release()
        _, again = await dead.holds(2)
        assert again.fault == fault()

        broker = await harness.crash_server(broker)

        inbox = Inbox()
        await broker.consume(DEAD.name, inbox, prefetch=1)
        await eventually(lambda: inbox.deliveries, within_seconds=IN_TIME)
        assert inbox.deliveries[0].fault == fault()
        assert inbox.deliveries[0].message == message("m1")
