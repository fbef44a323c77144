"""Publishing, consuming and settling: what every broker does on a good day."""

import asyncio

import pytest

from sangraha.broker.protocol import Message
from sangraha.broker.topology import MAX_MESSAGE_BYTES, MIB
from sangraha.errors import (
    BrokerUnavailable,
    InvalidConfiguration,
    MessageTooLarge,
)
from tests.contract.broker_harness import (
    DEAD,
    IN_TIME,
    READS,
    WORK,
    BrokerHarness,
    Inbox,
    Worker,
    drained,
    fault,
    has_depth,
    held_on_first_delivery,
    message,
    publish,
)


class DeliveryContract:
    async def test_a_message_arrives_with_all_its_properties(self, harness: BrokerHarness) -> None:
        broker = await harness.new_broker()
        sent = Message(
            body=bytes(range(256)),
            message_id="0190b5a0-0000-7000-8000-000000000001",
            correlation_id="0190b5a0-0000-7000-8000-000000000002",
            reply_to="object_response_queue.receiver.a.1",
            headers={"attempts": 3, "traceparent": "00-ab-cd-01", "name": "नाम", "low": -7},
        )

        _, (delivery,) = await held_on_first_delivery(broker, WORK, sent)

        assert delivery.message == sent
        assert dict(delivery.message.headers) == dict(sent.headers)
        assert delivery.redeliveries == 0
        assert delivery.fault is None

    async def test_a_bare_message_arrives_without_properties_it_never_had(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()

        _, (delivery,) = await held_on_first_delivery(broker, WORK, message("m1"))

        assert delivery.message == message("m1")

    @pytest.mark.parametrize("size", [0, 1, MIB, MAX_MESSAGE_BYTES])
    async def test_a_body_of_any_size_arrives_byte_for_byte(
        self, harness: BrokerHarness, size: int
    ) -> None:
        broker = await harness.new_broker()
        body = (bytes(range(251)) * (size // 251 + 1))[:size]

        _, (delivery,) = await held_on_first_delivery(broker, WORK, message("m1", body))

        assert delivery.message.body == body

    async def test_one_consumer_gets_messages_in_the_order_they_were_published(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()
        worker = Worker()
        await broker.consume(WORK.name, worker, prefetch=7)

        ids = await publish(broker, WORK, *(message(f"m{n}") for n in range(100)))

        await worker.has_done(ids)
        assert worker.ids == ids

    async def test_messages_published_at_the_same_time_each_arrive_once(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()
        worker = Worker()
        await broker.consume(WORK.name, worker, prefetch=50)
        sent = [message(f"m{n}") for n in range(300)]

        await asyncio.gather(*(publish(broker, WORK, each) for each in sent))

        await worker.has_done([each.message_id for each in sent])
        await has_depth(broker, WORK, 0)
        assert sorted(worker.ids) == sorted(each.message_id for each in sent)

    async def test_a_message_over_the_size_limit_is_refused_and_its_neighbours_are_not(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()
        too_large = message("large", bytes(MAX_MESSAGE_BYTES + 1))

        outcomes = await asyncio.gather(
            publish(broker, WORK, message("before")),
            publish(broker, WORK, too_large),
            publish(broker, WORK, message("after")),
            return_exceptions=True,
        )

        assert isinstance(outcomes[1], MessageTooLarge)
        assert outcomes[0] == ["before"]
        assert outcomes[2] == ["after"]
        assert sorted(await drained(broker, WORK)) == ["after", "before"]

    async def test_a_queue_outside_the_topology_is_refused_by_name(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()

        with pytest.raises(InvalidConfiguration, match="no_such_queue"):
            await broker.publish("no_such_queue", message("m1"), timeout_seconds=IN_TIME)
        with pytest.raises(InvalidConfiguration, match="no_such_queue"):
            await broker.consume("no_such_queue", Inbox(), prefetch=1)
        with pytest.raises(InvalidConfiguration, match="no_such_queue"):
            await broker.depth("no_such_queue")

    async def test_depth_counts_the_messages_that_wait(self, harness: BrokerHarness) -> None:
        broker = await harness.new_broker()
        assert await broker.depth(WORK.name) == 0

        await publish(broker, WORK, *(message(f"m{n}") for n in range(4)))
        await publish(broker, READS, message("r1", expires=60))

        await has_depth(broker, WORK, 4)
        await has_depth(broker, READS, 1)

    # -- consuming and settling

    async def test_no_more_than_prefetch_messages_are_out_at_a_time(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()
        await publish(broker, WORK, *(message(f"m{n}") for n in range(10)))
        inbox = Inbox()

        await broker.consume(WORK.name, inbox, prefetch=3)

        for settled in range(10):
            held = min(10, settled + 3)
            await inbox.holds(held)
            await has_depth(broker, WORK, 10 - held)
            assert len(inbox.deliveries) == held
            await inbox.deliveries[settled].ack()

    async def test_two_consumers_share_a_queue(self, harness: BrokerHarness) -> None:
        broker = await harness.new_broker()
        first, second = Inbox(), Inbox()
        await broker.consume(WORK.name, first, prefetch=2)
        await broker.consume(WORK.name, second, prefetch=2)

        ids = await publish(broker, WORK, *(message(f"m{n}") for n in range(4)))

        await first.holds(2)
        await second.holds(2)
        assert sorted(first.ids + second.ids) == ids

    async def test_what_was_acked_is_gone_for_good(self, harness: BrokerHarness) -> None:
        broker = await harness.new_broker()
        await publish(broker, WORK, message("m1"), message("m2"), message("m3"))
        inbox = Inbox()
        await broker.consume(WORK.name, inbox, prefetch=2)
        for delivery in await inbox.holds(2):
            await delivery.ack()
        await inbox.holds(3)

        broker = await harness.crash_server(broker)

        assert await drained(broker, WORK) == ["m3"]

    async def test_a_released_message_comes_again_and_is_counted(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()
        await publish(broker, WORK, message("m1"))
        inbox = Inbox()
        await broker.consume(WORK.name, inbox, prefetch=1)

        (first,) = await inbox.holds(1)
        await first.release()
        _, second = await inbox.holds(2)

        assert second.message == message("m1")
        assert (first.redeliveries, second.redeliveries) == (0, 1)

    async def test_a_cancelled_consumer_gets_no_more_and_may_settle_what_it_holds(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()
        await publish(broker, WORK, *(message(f"m{n}") for n in range(5)))
        inbox = Inbox()
        consumer = await broker.consume(WORK.name, inbox, prefetch=3)
        acked, released, dead = await inbox.holds(3)

        await consumer.cancel()
        await acked.ack()
        await released.release()
        await dead.dead_letter(fault())

        await has_depth(broker, WORK, 3)
        assert inbox.ids == ["m0", "m1", "m2"]
        assert sorted(await drained(broker, WORK)) == ["m1", "m3", "m4"]
        assert await drained(broker, DEAD) == ["m2"]
        await consumer.cancel()

    async def test_a_lost_consumer_s_messages_come_again(self, harness: BrokerHarness) -> None:
        broker = await harness.new_broker()
        sent = [message(f"m{n}") for n in range(3)]
        await held_on_first_delivery(broker, WORK, *sent)

        await harness.crash(broker)
        broker = await harness.new_broker()
        inbox = Inbox()
        await broker.consume(WORK.name, inbox, prefetch=10)

        again = await inbox.holds(3)
        assert sorted(inbox.ids) == ["m0", "m1", "m2"]
        assert all(delivery.redeliveries >= 1 for delivery in again)

    async def test_closing_gives_back_what_is_unsettled(self, harness: BrokerHarness) -> None:
        broker = await harness.new_broker()
        _, (held,) = await held_on_first_delivery(broker, WORK, message("m1"))

        await broker.close()
        await broker.close()
        await held.ack()
        with pytest.raises(BrokerUnavailable):
            await publish(broker, WORK, message("m2"))
        assert not broker.ready

        broker = await harness.new_broker()
        assert await drained(broker, WORK) == ["m1"]

    async def test_settling_twice_changes_nothing(self, harness: BrokerHarness) -> None:
        broker = await harness.new_broker()
        consumer, (one, two, three) = await held_on_first_delivery(
            broker, WORK, message("acked"), message("released"), message("dead")
        )
        await consumer.cancel()
        await one.ack()
        await two.release()
        await three.dead_letter(fault())

        for delivery in (one, two, three):
            await delivery.release()
            await delivery.dead_letter(fault())
            await delivery.ack()

        await has_depth(broker, WORK, 1)
        assert await drained(broker, WORK) == ["released"]
        assert await drained(broker, DEAD) == ["dead"]
