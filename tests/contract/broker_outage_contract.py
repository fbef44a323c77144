"""What survives a crash, and how a broker behaves while it cannot work and afterwards."""

import asyncio
import contextlib
import time

import pytest

from sangraha.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    Unavailable,
)
from tests.contract.broker_harness import (
    DEAD,
    IN_TIME,
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
from tests.waiting import eventually


class OutageContract:
    async def test_every_confirmed_message_survives_the_broker_s_death(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()
        sent = [message(f"m{n:02}", b"%d" % n * 1000) for n in range(20)]
        ids = await publish(broker, WORK, *sent)

        broker = await harness.crash_server(broker)

        inbox = Inbox()
        await broker.consume(WORK.name, inbox, prefetch=20)
        await inbox.holds(20)
        assert inbox.ids == ids
        assert [delivery.message for delivery in inbox.deliveries] == sent

    async def test_publishing_during_an_outage_fails_within_its_deadline_and_sends_nothing(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()

        async with harness.outage():
            started = time.monotonic()
            # The first may meet a connection that is only now found dead.
            with pytest.raises((BrokerUnavailable, OutcomeUnknown)):
                await broker.publish(WORK.name, message("m0"), timeout_seconds=0.3)
            with pytest.raises(BrokerUnavailable):
                await broker.publish(WORK.name, message("m1"), timeout_seconds=0.3)
            assert time.monotonic() - started < 5
            assert not broker.ready
            with pytest.raises(BrokerUnavailable):
                await broker.wait_ready(0.1)

        await broker.wait_ready(IN_TIME)
        assert broker.ready
        await publish(broker, WORK, message("m2"))
        ids = await drained(broker, WORK)
        assert [each for each in ids if each != "m0"] == ["m2"]

    async def test_a_publish_waits_for_the_end_of_an_outage(self, harness: BrokerHarness) -> None:
        broker = await harness.new_broker()

        async with harness.outage():
            with pytest.raises(Unavailable):
                await broker.publish(WORK.name, message("m0"), timeout_seconds=0.3)
            waiting = asyncio.create_task(publish(broker, WORK, message("m1")))
            await asyncio.sleep(0)

        assert await waiting == ["m1"]
        assert "m1" in await drained(broker, WORK)

    async def test_a_broker_may_start_during_an_outage(self, harness: BrokerHarness) -> None:
        worker = Worker()
        async with harness.outage():
            broker = harness.unstarted()
            await broker.start()
            await broker.consume(WORK.name, worker, prefetch=5)
            assert not broker.ready
            with pytest.raises(BrokerUnavailable):
                await broker.publish(WORK.name, message("m0"), timeout_seconds=0.2)

        await broker.wait_ready(IN_TIME)
        await publish(broker, WORK, message("m1"))
        await worker.has_done(["m1"])
        assert worker.ids == ["m1"]

    async def test_settling_during_an_outage_is_harmless_and_every_message_is_still_handled(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()
        inbox = Inbox()
        await broker.consume(WORK.name, inbox, prefetch=3)
        ids = await publish(broker, WORK, *(message(f"m{n}") for n in range(6)))
        acked, released, dead = await inbox.holds(3)

        async with harness.outage():
            with pytest.raises(Unavailable):
                await broker.publish(WORK.name, message("probe"), timeout_seconds=0.3)
            async with asyncio.timeout(IN_TIME):
                await acked.ack()
                await released.release()
                # Where it did not move, it is not settled and comes again.
                with contextlib.suppress(Unavailable):
                    await dead.dead_letter(fault())

        async def all_handled() -> bool:
            for delivery in inbox.deliveries:
                await delivery.ack()
            depths = [await broker.depth(queue.name) for queue in (WORK, DEAD)]
            return set(ids) <= set(inbox.ids) and depths[0] == 0

        await broker.wait_ready(IN_TIME)
        await eventually(all_handled, within_seconds=IN_TIME)

    async def test_a_delivery_tells_that_it_was_lost_with_its_broker(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()
        consumer, deliveries = await held_on_first_delivery(
            broker, WORK, *(message(f"m{n}") for n in range(4))
        )
        acked, released, dead, held = deliveries
        await consumer.cancel()
        assert not any(delivery.lost for delivery in deliveries)
        await acked.ack()
        await released.release()
        await dead.dead_letter(fault())

        await broker.close()

        assert [delivery.lost for delivery in deliveries] == [False, False, False, True]
        await held.ack()
        assert held.lost
        again = await harness.new_broker()
        assert sorted(await drained(again, WORK)) == ["m1", "m3"]

    async def test_consumers_and_publishers_go_on_by_themselves_after_an_outage(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()
        worker = Worker()
        await broker.consume(WORK.name, worker, prefetch=10)
        confirmed: list[str] = []

        async def publish_steadily() -> None:
            for number in range(200):
                while True:
                    try:
                        await broker.publish(WORK.name, message(f"m{number}"), timeout_seconds=1)
                    except Unavailable:
                        continue
                    confirmed.append(f"m{number}")
                    break

        publisher = asyncio.create_task(publish_steadily())
        await eventually(lambda: len(confirmed) > 50, within_seconds=IN_TIME)
        async with harness.outage():
            with pytest.raises(Unavailable):
                await broker.publish(WORK.name, message("probe"), timeout_seconds=0.3)

        async with asyncio.timeout(60):
            await publisher
        await worker.has_done(confirmed)
        await has_depth(broker, WORK, 0)
        assert len(confirmed) == 200

    async def test_after_an_unknown_outcome_the_same_message_may_be_published_again(
        self, harness: BrokerHarness
    ) -> None:
        broker = await harness.new_broker()

        async with harness.swallowed_confirms():
            with pytest.raises(OutcomeUnknown):
                await broker.publish(WORK.name, message("m1"), timeout_seconds=0.3)

        await broker.wait_ready(IN_TIME)
        await publish(broker, WORK, message("m1"))
        assert await drained(broker, WORK) in (["m1"], ["m1", "m1"])
