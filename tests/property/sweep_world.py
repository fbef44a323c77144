"""A whole Sangraha in which nothing moves by itself.

Catalog, worker, mailbox and sweep are the real ones; the broker is a list of messages, and the
store keeps bodies in memory, with ages by the same clock as the catalog's.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import event, text

from sangraha import messages
from sangraha.broker.protocol import Fault, Message
from sangraha.buckets import BucketSettings
from sangraha.catalog.catalog import Catalog, DeadLetter
from sangraha.catalog.database import Database
from sangraha.catalog.verdict import Entry, Expired, Swept
from sangraha.content_types import Watcher
from sangraha.errors import AlreadyRedriven, NotFound
from sangraha.messages import (
    Claimed,
    CreateBucket,
    CreateObject,
    Inline,
    WriteGroup,
    WriteOutcome,
    WriteRequest,
)
from sangraha.metrics import Metrics
from sangraha.settings import load_settings
from sangraha.store.keys import object_key
from sangraha_orchestrator.hold import Hold
from sangraha_orchestrator.mailbox import Mailbox
from sangraha_orchestrator.redrive import Redriver
from sangraha_orchestrator.sweep import Sweeper
from sangraha_orchestrator.writes import WriteWorker
from tests.property.sweep_processes import (
    BEGIN,
    AgedStore,
    Clock,
    Gated,
    Handed,
    Process,
    Queued,
    Work,
    here,
)

LIFE = timedelta(days=7)
BUCKETS = ("default", "photos")
_METRICS = Metrics()
_SETTINGS = load_settings(request_life_seconds=LIFE.total_seconds(), sweep_released_seconds=3600)
_TABLES = ("objects", "bodies", "outcomes", "purges", "dead_letters", "dead_letter_bodies")


class Unheard:
    """Nobody waits for replies."""

    def writes(self, asked: Message, group_id: UUID, outcomes: Sequence[WriteOutcome]) -> None:
        """Nothing."""


class Worked:
    """The catalog as workers and mailboxes see it: the world may have its own mind."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def __getattr__(self, name: str) -> Any:
        of_the_world = ("commit", "record_dead_letter", "note_redriven")
        mine = self._world if name in of_the_world else self._world.catalog
        return getattr(mine, name)


class World:
    """Everything there is. What is wrong in one may be put in place of what is right."""

    def __init__(self, loop: asyncio.AbstractEventLoop, folder: Path) -> None:
        self._loop = loop
        self._file = folder / "catalog.sqlite"
        self._url = f"sqlite:///{self._file}"
        self.clock = Clock()
        self.catalog = self.new_catalog()
        self.database = Database(self._url, timeout_seconds=60)
        self._number = 0

    def new_catalog(self) -> Catalog:
        """The catalog, whose time is the clock's."""
        catalog = Catalog(self._url, request_life_seconds=LIFE.total_seconds())
        for engine in (catalog._connected._writer, catalog._connected._reader):
            event.listen(engine.sync_engine, "connect", self._prepare)
        return catalog

    def _prepare(self, connection: Any, _: object) -> None:
        connection.create_function("strftime", 2, self.clock.strftime)
        cursor = connection.cursor()
        # Nobody pulls the plug of this world.
        cursor.execute("PRAGMA synchronous = OFF")
        cursor.close()

    async def start(self) -> None:
        """Make the catalog's tables."""
        await self.catalog.start()
        self._reader = sqlite3.connect(self._file, isolation_level=None)

    async def begin(self) -> None:
        """Everything as on the first day."""
        self.clock.now = BEGIN
        self._number = 0
        self.store = AgedStore(self.clock)
        self.queue: list[Message] = []
        self.dead_letter_queue: list[Message] = []
        self.processes: list[Process] = []
        self.bodies: dict[str, bytes] = {}
        self.promised: dict[UUID, str] = {}
        self.uploaded: list[UUID] = []
        self.letters_kept = 0
        async with self.database.write() as connection:
            for table in _TABLES:
                await connection.execute(text(f"DELETE FROM {table}"))
            await connection.execute(text("DELETE FROM buckets WHERE name <> 'default'"))
        await self.catalog.commit([self.new_bucket()])
        await self.sweeper(self.store, self.catalog).claim()

    async def close(self) -> None:
        """Let go of the catalog."""
        self._reader.close()
        await self.catalog.close()
        await self.database.close()

    def sweeper(self, store: Any, catalog: Any) -> Sweeper:
        """Who sweeps."""
        return Sweeper(store, catalog, _SETTINGS, _METRICS)

    async def commit(self, entries: Sequence[Entry]) -> list[WriteOutcome | Expired | Swept]:
        """How workers commit."""
        return await self.catalog.commit(entries)

    async def record_dead_letter(self, letter: DeadLetter) -> None:
        """How letters are kept; a body that is there at that moment is promised to stay."""
        await self.catalog.record_dead_letter(letter)
        self.letters_kept += 1
        for request in requests_in(letter.body or b""):
            key = claimed_key(request)
            if key in self.intact():
                self.promised[request.request_id] = str(key)

    async def note_redriven(self, letter_id: UUID) -> datetime | None:
        """How it is kept that a letter was sent again."""
        return await self.catalog.note_redriven(letter_id)

    def new_id(self) -> UUID:
        """An id that was made now."""
        self._number += 1
        milliseconds = int(self.clock.now.timestamp() * 1000)
        return UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | self._number)

    def new_bucket(self) -> CreateBucket:
        """The request that makes the second bucket, which keeps two versions."""
        settings = BucketSettings(versions_to_keep=2)
        return CreateBucket(request_id=self.new_id(), bucket=BUCKETS[1], settings=settings)

    def is_young(self, request: WriteRequest) -> bool:
        """Whether the request may still be committed by its age."""
        made_at = datetime.fromtimestamp((request.request_id.int >> 80) / 1000, UTC)
        return self.clock.now <= made_at + LIFE

    def begin_process(self, name: str, work: Callable[[], Work]) -> Process:
        """From now on it waits to do its first step."""
        self.processes.append(Process(self._loop, name, work))
        return self.processes[-1]

    def upload(self, *, claimed: bool, bucket: str) -> Process:
        """A receiver takes a body in."""
        request_id = self.new_id()
        body = b'{"number": %d}' % self._number
        self.bodies[hashlib.sha256(body).hexdigest()] = body
        self.uploaded.append(request_id)
        return self.begin_process(
            "receiver", lambda: self._receive(request_id, bucket, body, claimed)
        )

    async def _receive(self, request_id: UUID, bucket: str, body: bytes, claimed: bool) -> None:
        key = object_key(bucket, request_id, None)
        content: Claimed | Inline = Inline(body)
        if claimed:
            await Gated(self.store).put(key, body)
            watcher = Watcher()
            watcher.feed(body)
            digest = hashlib.sha256(body).hexdigest()
            content = Claimed(key=key, sha256=digest, seen=watcher.seen())
        # In the second bucket they are all versions of one name.
        name = "a" if bucket == BUCKETS[1] else None
        request = CreateObject(request_id=request_id, bucket=bucket, name=name, content=content)

        async def publish() -> None:
            self.publish(request)

        await here(publish)

    def publish(self, request: WriteRequest) -> None:
        """From now on the request is in the queue."""
        group = WriteGroup(group_id=request.request_id, requests=[request])
        self.queue.append(Message(messages.encode(group), str(request.request_id)))

    def work(self, message: Message) -> Process:
        """A worker is handed the message, perhaps not the first one."""
        catalog: Any = Gated(Worked(self))
        store: Any = Gated(self.store)
        worker = WriteWorker(store, catalog, Hold(60, _METRICS), Unheard(), _METRICS)  # type: ignore[arg-type]
        handed = Handed(self.queue, message, None)
        return self.begin_process("worker", lambda: worker.handle(handed))

    def give_up(self, message: Message) -> None:
        """The broker moves the message to its dead-letter queue."""
        self.queue.remove(message)
        self.dead_letter_queue.append(message)

    def record(self, message: Message) -> Process:
        """A mailbox is handed the message."""
        fault = Fault(
            error="delivery-limit", message="", attempts=21, host="", failed_at=self.clock.now
        )
        mailbox = Mailbox(Gated(Worked(self)), Hold(60, _METRICS), _METRICS)  # type: ignore[arg-type]
        handed = Handed(self.dead_letter_queue, message, fault)
        return self.begin_process("mailbox", lambda: mailbox.handle(handed))

    def redrive(self, letter: DeadLetter) -> Process:
        """An operator sends a letter again, also one that was sent before."""
        catalog: Any = Gated(Worked(self))
        broker: Any = Queued(self.queue)
        redriver = Redriver(broker, catalog, _METRICS, publish_timeout_seconds=60)

        async def send() -> None:
            # It may have been let go of in the meantime.
            with suppress(NotFound):
                await redriver.one(letter.letter_id, force=True)

        return self.begin_process("redrive", send)

    async def delete_letter(self, letter: DeadLetter) -> None:
        """An operator gives a letter up; nothing is promised to its requests any more."""
        with suppress(AlreadyRedriven):
            await self.catalog.delete_dead_letter(letter.letter_id)
            for request in requests_in(letter.body or b""):
                self.promised.pop(request.request_id, None)

    def sweep(self) -> Process:
        """A sweep begins, beside others perhaps."""
        sweeper = self.sweeper(Gated(self.store), Gated(self.catalog))
        return self.begin_process("sweep", sweeper.sweep)

    def purge(self) -> Process:
        """A purger looks for work."""
        return self.begin_process("purge", self._purge)

    async def _purge(self) -> None:
        while await Gated(self.catalog).purge_step(1):
            pass

    @property
    def running(self) -> list[Process]:
        """Who has something left to do."""
        return [process for process in self.processes if not process.is_over]

    async def kill_all(self) -> None:
        """Nobody does anything any more."""
        for process in self.running:
            await process.kill()

    def live_objects(self) -> list[tuple[str, str, str | None, str | None]]:
        """Those that are: id, digest, key of the body, and when that was condemned."""
        return self._reader.execute(
            "SELECT o.object_id, o.sha256, b.key, b.condemned_at FROM objects o"
            " LEFT JOIN bodies b ON b.id = o.body_id WHERE o.state = 'live'"
        ).fetchall()

    def settled(self) -> set[UUID]:
        """The requests that are done or rejected."""
        rows = self._reader.execute(
            "SELECT request_id FROM outcomes WHERE state <> 'dead'"
            " UNION SELECT object_id FROM objects WHERE body_id NOTNULL"
        )
        return {UUID(request_id) for (request_id,) in rows}

    def intact(self) -> set[str]:
        """The bodies that are there and may be used."""
        rows = self._reader.execute("SELECT key FROM bodies WHERE condemned_at NOTNULL")
        return set(self.store.put_at).difference(key for (key,) in rows)

    def referred_to(self) -> set[str]:
        """The keys that live objects and letters refer to."""
        rows = self._reader.execute(
            "SELECT b.key FROM objects o JOIN bodies b ON b.id = o.body_id WHERE o.state = 'live'"
            " UNION SELECT key FROM dead_letter_bodies"
        )
        return {key for (key,) in rows}

    async def letters(self) -> list[DeadLetter]:
        """All there are, with their bodies."""
        found = [
            await self.catalog.dead_letter(letter.letter_id)
            for letter in await self.catalog.dead_letters(limit=1000, state="all")
        ]
        return [letter for letter in found if letter is not None]


def requests_in(message: bytes) -> list[WriteRequest]:
    """The requests of a message."""
    return messages.decode(WriteGroup, message).requests


def claimed_key(request: WriteRequest) -> str | None:
    """Where the body of a create waits in the store, if it does."""
    if isinstance(request, CreateObject) and isinstance(request.content, Claimed):
        return request.content.key
    return None
