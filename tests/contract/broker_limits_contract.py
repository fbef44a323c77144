"""Full queues, deadlines and replies: what a broker refuses, drops and never promises."""

import time

import pytest

from sangraha.broker.protocol import Message
from sangraha.broker.topology import KIB, Queue
from tests.contract.broker_harness import (
    FEW,
    IN_TIME,
    READS,
    SMALL,
    WORK,
    BrokerHarness,
    Inbox,
    drained,
    has_depth,
    held_on_first_delivery,
    message,
    publish,
    publish_once_there_is_room,
    publish_until_refused,
)
from tests.waiting import eventually


class LimitsContract:
    @pytest.mark.parametrize(("queue", "size"), [(FEW, 10), (SMALL, 2 * KIB), (READS, 10 * KIB)])
    async def test_a_full_queue_refuses_keeps_nothing_and_takes_again_once_there_is_room(
        self, harness: BrokerHarness, queue: Queue, size: int
    ) -> None:
        broker = await harness.new_broker()

        confirmed = await publish_until_refused(broker, queue, bytes(size))

        assert len(confirmed) >= 4
        await has_depth(broker, queue, len(confirmed))
        assert await drained(broker, queue) == confirmed

        await publish_once_there_is_room(broker, queue, message("later", bytes(size)))
        assert await drained(broker, queue) == ["later"]

    async def test_a_message_past_its_deadline_is_never_delivered(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()
        await publish(broker, READS, message("late", expires=0.05))
        await publish(broker, READS, message("in time", expires=60))
        passed = time.monotonic() + 0.1
        await eventually(lambda: time.monotonic() > passed)
        inbox = Inbox()

        await broker.consume(READS.name, inbox, prefetch=10)
        await publish(broker, READS, message("no deadline"))

        await inbox.holds(2)
        assert inbox.ids == ["in time", "no deadline"]
        assert inbox.deliveries[0].message.expires_in_seconds == 60
        assert not inbox.deliveries[0].message.persistent

    async def test_a_transient_queue_works_again_after_a_crash(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()
        await publish(broker, READS, message("before", expires=60))

        broker = await harness.crash_server(broker)

        inbox = Inbox()
        await broker.consume(READS.name, inbox, prefetch=10)
        await publish(broker, READS, message("after", expires=60))
        await eventually(lambda: "after" in inbox.ids, within_seconds=IN_TIME)

    # -- replies

    async def test_a_reply_finds_its_request_by_correlation_id(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()
        replies: list[Message] = []
        await broker.open_reply_queue("object_response_queue.test.a.1", replies.append)
        requests = [
            Message(
                body=b"ask",
                message_id=f"m{n}",
                correlation_id=f"c{n}",
                reply_to="object_response_queue.test.a.1",
            )
            for n in range(3)
        ]
        _, deliveries = await held_on_first_delivery(broker, WORK, *requests)

        for delivery in deliveries:
            asked = delivery.message
            assert asked.reply_to is not None
            await broker.reply(
                asked.reply_to,
                Message(
                    body=b"answer to " + asked.message_id.encode(),
                    message_id="r" + asked.message_id,
                    correlation_id=asked.correlation_id,
                    persistent=False,
                ),
            )

        await eventually(lambda: len(replies) == 3, within_seconds=IN_TIME)
        assert {(reply.correlation_id, reply.body) for reply in replies} == {
            (f"c{n}", b"answer to m%d" % n) for n in range(3)
        }

    async def test_a_reply_to_nobody_is_harmless(self, harness: BrokerHarness) -> None:
        broker = await harness.new_broker()

        await broker.reply("object_response_queue.test.gone.1", message("r1"))

        assert broker.ready
        await publish(broker, WORK, message("m1"))
        assert await drained(broker, WORK) == ["m1"]

    async def test_replies_arrive_again_after_an_outage(self, harness: BrokerHarness) -> None:
        broker = await harness.new_broker()
        replies: list[Message] = []
        await broker.open_reply_queue("object_response_queue.test.a.1", replies.append)

        async with harness.outage():
            await broker.reply("object_response_queue.test.a.1", message("lost or not"))
        await broker.wait_ready(IN_TIME)

        async def arrives() -> bool:
            await broker.reply("object_response_queue.test.a.1", message("after"))
            return any(reply.message_id == "after" for reply in replies)

        await eventually(arrives, within_seconds=IN_TIME)
