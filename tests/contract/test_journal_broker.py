"""The journal keeps the broker contract."""

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sangraha.broker.journal import JournalBroker
from sangraha.broker.protocol import Broker
from tests.contract.broker_contract import BrokerContract
from tests.contract.broker_harness import CONTRACT_TOPOLOGY, IN_TIME, BrokerHarness


class JournalHarness:
    """A journal in a folder. A death is had by leaving the folder and its lock to the dead, and
    going on with a copy of the files as they lay on the disk at that moment.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lives = 0
        self._brokers: list[JournalBroker] = []

    @property
    def path(self) -> Path:
        return self._folder / str(self._lives) / "journal.sqlite"

    def unstarted(self) -> JournalBroker:
        broker = JournalBroker(self.path, CONTRACT_TOPOLOGY)
        self._brokers.append(broker)
        return broker

    async def new_broker(self) -> JournalBroker:
        broker = self.unstarted()
        await broker.start()
        await broker.wait_ready(IN_TIME)
        return broker

    async def crash(self, broker: Broker) -> None:
        before = self.path
        self._lives += 1
        self.path.parent.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(f"{before}{suffix}", f"{self.path}{suffix}")
        await broker.close()

    async def crash_server(self, broker: Broker) -> JournalBroker:
        await self.crash(broker)
        return await self.new_broker()

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        """Somebody else holds the file's write lock. What is refused is surely not written."""
        self.path.parent.mkdir(exist_ok=True)
        other = sqlite3.connect(self.path, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            yield
        finally:
            other.close()

    @asynccontextmanager
    async def swallowed_confirms(self) -> AsyncIterator[None]:
        """Every insert takes long, as on a disk that hangs: a trigger counts to ten million."""
        other = sqlite3.connect(self.path, isolation_level=None)
        other.execute(
            "CREATE TRIGGER slow AFTER INSERT ON messages BEGIN"
            " SELECT max(n) FROM (WITH RECURSIVE counting(n) AS"
            " (SELECT 1 UNION ALL SELECT n + 1 FROM counting WHERE n < 10000000)"
            " SELECT n FROM counting); END"
        )
        try:
            yield
        finally:
            other.execute("PRAGMA busy_timeout = 20000")
            other.execute("DROP TRIGGER slow")
            other.close()

    async def close(self) -> None:
        for broker in self._brokers:
            await broker.close()


class TestJournalBroker(BrokerContract):
    @pytest.fixture
    async def harness(self, tmp_path: Path) -> AsyncIterator[BrokerHarness]:
        harness = JournalHarness(tmp_path)
        yield harness
        await harness.close()
