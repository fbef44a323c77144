"""What RabbitMQ's death, absence and silence do to a broker that lives through them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import pytest

from development.servers import RabbitmqServer
from sangraha.broker.protocol import Message
from sangraha.broker.rabbitmq import RabbitMQBroker, session
from sangraha.broker.topology import MIB, WRITE_QUEUE
from sangraha.errors import BrokerUnavailable, OutcomeUnknown, Unavailable
from tests.conftest import running
from tests.contract.broker_harness import Inbox, Worker
from tests.faults.rabbitmq import kill, memory_alarm
from tests.waiting import eventually

IN_TIME = 30.0


@pytest.fixture(scope="module")
def server() -> Iterator[RabbitmqServer]:
    """A server to be hurt; every test leaves it running."""
    with running(RabbitmqServer) as hurt:
        yield hurt


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[RabbitMQBroker]:
    broker = RabbitMQBroker(url)
    await broker.start()
    try:
        await broker.wait_ready(IN_TIME)
        yield broker
    finally:
        await broker.close()


@asynccontextmanager
async def down(server: RabbitmqServer) -> AsyncIterator[None]:
    await kill(server)
    try:
        yield
    finally:
        await asyncio.to_thread(server.start)


@contextmanager
def frozen(server: RabbitmqServer) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def message(number: int, body: bytes = b"body") -> Message:
    return Message(body=body, message_id=f"m{number}")


async def publish(broker: RabbitMQBroker, number: int, *, timeout_seconds: float = IN_TIME) -> None:
    await broker.publish(WRITE_QUEUE.name, message(number), timeout_seconds=timeout_seconds)


async def test_every_confirmed_message_is_delivered_although_the_server_was_killed(
    server: RabbitmqServer,
) -> None:
    worker = Worker()
    confirmed: list[str] = []
    numbers = iter(range(6000))

    async def publish_all() -> None:
        for number in numbers:
            # Not again after an unknown outcome: only what was confirmed is promised.
            with suppress(Unavailable):
                await publish(broker, number)
                confirmed.append(f"m{number}")

    async with connected(server.new_vhost()) as broker:
        await broker.consume(WRITE_QUEUE.name, worker, prefetch=20)
        publishers = [asyncio.create_task(publish_all()) for _ in range(8)]
        await eventually(lambda: len(confirmed) > 300, within_seconds=IN_TIME)

        async with down(server):
            before = len(confirmed)

        await asyncio.gather(*publishers)
        assert len(confirmed) > before
        await eventually(lambda: set(confirmed) <= set(worker.ids), within_seconds=IN_TIME)


async def test_an_operator_closing_all_connections_loses_nothing_and_is_logged_once(
    server: RabbitmqServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sangraha.broker.rabbitmq")
    worker = Worker()
    async with connected(server.new_vhost()) as broker:
        await broker.consume(WRITE_QUEUE.name, worker, prefetch=5)
        caplog.clear()
        await asyncio.to_thread(server.close_connections)
        await eventually(lambda: len(caplog.records) >= 4)
        await publish(broker, 1)
        await worker.has_done(["m1"])

    told = [record.getMessage() for record in caplog.records if record.name.startswith("sangraha")]
    for connection in ("publisher", "consumer"):
        assert len([each for each in told if f"{connection} has no connection" in each]) == 1
        assert len([each for each in told if f"{connection} connected" in each]) == 1
    assert len(told) == 4
    assert not [each for each in told if "guest" in each]


async def test_a_service_started_before_its_broker_becomes_ready_when_the_broker_comes(
    server: RabbitmqServer,
) -> None:
    worker = Worker()
    broker = RabbitMQBroker(server.new_vhost())
    try:
        async with down(server):
            await broker.start()
            await broker.consume(WRITE_QUEUE.name, worker, prefetch=5)
            with pytest.raises(BrokerUnavailable, match="Errno 111"):
                await broker.wait_ready(0.5)

        await broker.wait_ready(IN_TIME)
        await publish(broker, 1)
        await worker.has_done(["m1"])
    finally:
        await broker.close()


async def test_a_frozen_server_leaves_outcomes_unknown_and_is_back_when_it_thaws(
    server: RabbitmqServer,
) -> None:
    worker = Worker()
    async with connected(server.new_vhost()) as broker:
        with frozen(server), pytest.raises(OutcomeUnknown):
            await publish(broker, 1, timeout_seconds=0.3)

        await publish(broker, 2)
        await broker.consume(WRITE_QUEUE.name, worker, prefetch=5)
        await worker.has_done(["m1", "m2"])


async def test_a_server_that_goes_silent_is_noticed_by_its_heartbeats(
    server: RabbitmqServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "HEARTBEAT_SECONDS", 1)
    async with connected(server.new_vhost()) as broker:
        with frozen(server):
            with pytest.raises(OutcomeUnknown, match="lost"):
                await publish(broker, 1)
            with pytest.raises(BrokerUnavailable, match=r"silent|answer"):
                await publish(broker, 2, timeout_seconds=0.3)
        await publish(broker, 3)


async def test_cancelling_a_publish_cancels_it_and_nothing_else(server: RabbitmqServer) -> None:
    async with connected(server.new_vhost()) as broker:
        with frozen(server):
            first = asyncio.create_task(publish(broker, 1))
            second = asyncio.create_task(publish(broker, 2))
            with pytest.raises(OutcomeUnknown):
                await publish(broker, 3, timeout_seconds=0.1)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
        await second


async def test_closing_takes_seconds_although_a_frozen_server_never_answers(
    server: RabbitmqServer,
) -> None:
    async with connected(server.new_vhost()) as broker:
        with frozen(server):
            # More than the sockets buffer, so that there are bytes nobody ever takes.
            large = message(1, bytes(15 * MIB))
            with pytest.raises(OutcomeUnknown):
                await broker.publish(WRITE_QUEUE.name, large, timeout_seconds=0.3)
            started = time.monotonic()

            await broker.close()

            assert time.monotonic() - started < 6
            assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_under_a_memory_alarm_acks_go_on_and_publishes_wait(server: RabbitmqServer) -> None:
    async with connected(server.new_vhost()) as broker:
        for number in range(3):
            await publish(broker, number)
        inbox = Inbox()
        await broker.consume(WRITE_QUEUE.name, inbox, prefetch=1)
        await inbox.holds(1)

        async with memory_alarm(server):
            # RabbitMQ tells a connection that it is blocked when it tries to publish.
            with pytest.raises(OutcomeUnknown):
                await publish(broker, 3, timeout_seconds=1)
            await eventually(lambda: not broker.ready)
            with pytest.raises(BrokerUnavailable, match="short of memory"):
                await publish(broker, 4, timeout_seconds=0.3)
            with pytest.raises(BrokerUnavailable, match="short of memory"):
                await broker.wait_ready(0.1)
            waiting = asyncio.create_task(publish(broker, 5))

            async with asyncio.timeout(5):
                await broker.reply("object_response_queue.test.a.1", message(6))
                await inbox.deliveries[0].ack()
                await inbox.holds(2)
                await inbox.deliveries[1].ack()
                await inbox.holds(3)
                assert await broker.depth(WRITE_QUEUE.name) == 0
            assert not waiting.done()

        await waiting
        assert broker.ready
        while (held := inbox.deliveries[-1]).message.message_id != "m5":
            await held.ack()
            await inbox.holds(len(inbox.deliveries) + 1)
        assert "m4" not in inbox.ids


async def test_a_connection_lost_while_blocked_frees_who_waits_for_it(
    server: RabbitmqServer,
) -> None:
    async with connected(server.new_vhost()) as broker:
        async with memory_alarm(server):
            with pytest.raises(OutcomeUnknown):
                await publish(broker, 1, timeout_seconds=1)
            await eventually(lambda: not broker.ready)
            waiting = asyncio.create_task(publish(broker, 2))
            await asyncio.to_thread(server.close_connections)
        await waiting
