"""JournalBroker: the public face of the embedded broker, and its life from start to close.

It serves one process; the folder is locked against a second one.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from sangraha.broker.journal.database import Database
from sangraha.broker.journal.delivery import JournalConsumer
from sangraha.broker.journal.dispatcher import Dispatcher
from sangraha.broker.journal.queue_state import Subscription
from sangraha.broker.journal.writer import FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS, Writer
from sangraha.broker.protocol import Consumer, Delivery, Message
from sangraha.broker.topology import MAX_MESSAGE_BYTES, TOPOLOGY, Queue
from sangraha.errors import BrokerUnavailable, InvalidConfiguration, MessageTooLarge

log = logging.getLogger(__name__)


class JournalBroker:
    """A broker (broker/protocol.py) in one SQLite file. Make it on the running event loop.

    Messages of replicated queues are committed with `synchronous=FULL` before they are
    confirmed; those of other queues and replies live in memory only. While the disk fails,
    `ready` is false and everything that must be written is tried again until it works.
    """

    def __init__(self, path: Path, topology: Sequence[Queue] = TOPOLOGY) -> None:
        """`path` is the .sqlite file; it and its folder are made where they are missing.

        Raises InvalidConfiguration for a topology that contradicts itself.
        """
        self._path = path
        self._writer = Writer(Database(path), self._writer_changed)
        self._dispatcher = Dispatcher(topology, self._writer)
        self._reply_queues: dict[str, Callable[[Message], None]] = {}
        self._opening: asyncio.Task[None] | None = None
        self._opened = False
        self._is_ready = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether the file is open, and the last transaction went through."""
        return self._is_ready.is_set()

    async def start(self) -> None:
        """Open the file; where that fails for now, go on trying in the background.

        Raises InvalidConfiguration where the folder is in use or the file will never work.
        """
        try:
            await self._open()
        except sqlite3.Error as error:
            log.warning("%s cannot be opened yet: %s", self._path, error)
            self._opening = asyncio.create_task(self._open_later())
        except InvalidConfiguration:
            await self.close()
            raise

    async def wait_ready(self, timeout_seconds: float) -> None:
        """Return once `ready`. Raises BrokerUnavailable past the deadline."""
        if self.ready:
            return
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._is_ready.wait()
        except TimeoutError:
            raise BrokerUnavailable("the journal cannot write to its disk") from None

    async def publish(self, queue: str, message: Message, *, timeout_seconds: float) -> None:
        """See Broker.publish. Raises InvalidConfiguration for a queue outside the topology."""
        state = self._dispatcher.queue(queue)
        if len(message.body) > MAX_MESSAGE_BYTES:
            raise MessageTooLarge(
                f"{len(message.body)} bytes; a message has at most {MAX_MESSAGE_BYTES}"
            )
        self._check_open()
        if not state.queue.replicated:
            self._dispatcher.publish_transient(state, message)
            return
        if not self.ready:
            loop = asyncio.get_running_loop()
            deadline = loop.time() + timeout_seconds
            await self.wait_ready(timeout_seconds)
            timeout_seconds = deadline - loop.time()
        await self._dispatcher.publish(state, message, timeout_seconds)

    async def consume(
        self, queue: str, handler: Callable[[Delivery], None], *, prefetch: int
    ) -> Consumer:
        """See Broker.consume; `prefetch` is at least 1.

        Raises InvalidConfiguration for a queue outside the topology.
        """
        state = self._dispatcher.queue(queue)
        if prefetch < 1:
            raise ValueError("prefetch is at least 1")
        subscription = Subscription(handler, prefetch)
        self._dispatcher.subscribe(state, subscription)
        return JournalConsumer(self._dispatcher, state, subscription)

    async def open_reply_queue(self, name: str, handler: Callable[[Message], None]) -> None:
        """Hand every reply to this name to `handler`, straight from memory."""
        self._reply_queues[name] = handler

    async def reply(self, reply_to: str, message: Message) -> None:
        """Send a reply; without a reply queue of that name nothing happens."""
        handler = self._reply_queues.get(reply_to)
        if handler is not None:
            asyncio.get_running_loop().call_soon(handler, message)

    async def depth(self, queue: str) -> int:
        """How many messages wait. Raises BrokerUnavailable before the file was opened."""
        state = self._dispatcher.queue(queue)
        self._check_open()
        if not self._opened:
            raise BrokerUnavailable("the journal is not open yet")
        return state.depth

    async def close(self) -> None:
        """Commit what was submitted, write the log into the file, unlock it, end the thread."""
        if self._dispatcher.closed:
            return
        self._dispatcher.closed = True
        self._is_ready.clear()
        self._reply_queues.clear()
        if self._opening is not None:
            self._opening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._opening
        await self._writer.close()

    async def _open(self) -> None:
        self._dispatcher.recover(await self._writer.open())
        self._opened = True
        self._is_ready.set()

    async def _open_later(self) -> None:
        delay = FIRST_RETRY_SECONDS
        while True:
            await asyncio.sleep(delay)
            try:
                await self._open()
            except sqlite3.Error:
                delay = min(2 * delay, LAST_RETRY_SECONDS)
            except InvalidConfiguration as error:
                log.error("%s", error)
                return
            else:
                return

    def _writer_changed(self) -> None:
        if self._writer.working:
            self._is_ready.set()
        else:
            self._is_ready.clear()

    def _check_open(self) -> None:
        if self._dispatcher.closed:
            raise BrokerUnavailable("the journal is closed")
