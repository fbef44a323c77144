"""RabbitMQ keeps the broker's contract: a real server, behind a proxy that can hurt."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from development.servers import RabbitmqServer
from sangraha.broker.protocol import Broker
from sangraha.broker.rabbitmq import RabbitMQBroker
from tests.conftest import running
from tests.contract.broker_contract import BrokerContract
from tests.contract.broker_harness import (
    CONTRACT_TOPOLOGY,
    IN_TIME,
    WORK,
    held_on_first_delivery,
    message,
)
from tests.faults.proxy import TcpProxy
from tests.faults.rabbitmq import kill
from tests.waiting import eventually


class RabbitMQHarness:
    """A virtual host of its own, reached through a proxy of its own."""

    def __init__(self, server: RabbitmqServer, proxy: TcpProxy) -> None:
        self._server = server
        self._proxy = proxy
        address = urlsplit(server.new_vhost())
        self._url = address._replace(netloc=f"guest:guest@127.0.0.1:{proxy.port}").geturl()
        self._brokers: list[RabbitMQBroker] = []

    def unstarted(self) -> Broker:
        broker = RabbitMQBroker(self._url, CONTRACT_TOPOLOGY)
        self._brokers.append(broker)
        return broker

    async def new_broker(self) -> Broker:
        broker = self.unstarted()
        await broker.start()
        await broker.wait_ready(IN_TIME)
        return broker

    async def crash(self, broker: Broker) -> None:
        self._proxy.cut()
        await broker.close()
        self._proxy.restore()

    async def crash_server(self, broker: Broker) -> Broker:
        await kill(self._server)
        await broker.close()
        await asyncio.to_thread(self._server.start)
        return await self.new_broker()

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        self._proxy.cut()
        try:
            yield
        finally:
            self._proxy.restore()

    @asynccontextmanager
    async def swallowed_confirms(self) -> AsyncIterator[None]:
        self._proxy.swallow_answers()
        try:
            yield
        finally:
            # What was dropped would be missed in the middle of a frame.
            self._proxy.cut()
            await eventually(lambda: not any(broker.ready for broker in self._brokers))
            self._proxy.restore()

    async def close(self) -> None:
        for broker in self._brokers:
            await broker.close()


@pytest.fixture(scope="module")
def killable_server() -> Iterator[RabbitmqServer]:
    """One server for the whole suite, which kills it now and then."""
    with running(RabbitmqServer) as server:
        yield server


class TestRabbitMQBroker(BrokerContract):
    @pytest.fixture
    async def harness(
        self, killable_server: RabbitmqServer, caplog: pytest.LogCaptureFixture
    ) -> AsyncIterator[RabbitMQHarness]:
        async with TcpProxy("127.0.0.1", killable_server.amqp_port) as proxy:
            harness = RabbitMQHarness(killable_server, proxy)
            yield harness
            await harness.close()
        # Tasks and futures that nobody waited for complain when they are collected.
        gc.collect()
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left
        complaints = [
            record.getMessage()
            for record in caplog.get_records("call") + caplog.records
            if record.name == "asyncio" and record.levelno >= logging.WARNING
        ]
        assert not complaints

    async def test_a_delivery_tells_that_it_was_lost_with_its_connection(
        self, harness: RabbitMQHarness
    ) -> None:
        broker = await harness.new_broker()
        _, (settled, held) = await held_on_first_delivery(
            broker, WORK, message("m1"), message("m2")
        )
        await settled.ack()
        assert not held.lost

        async with harness.outage():
            await eventually(lambda: held.lost, within_seconds=IN_TIME)
            assert not settled.lost
            await held.ack()

        await broker.wait_ready(IN_TIME)
        assert held.lost
