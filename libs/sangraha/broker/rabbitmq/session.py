"""One life of one connection to RabbitMQ: open, its channels, and how it ended.

It is never repaired. Whatever fails on it ends it, and link.py makes the next.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from aiormq import Connection
from aiormq.abc import AbstractChannel
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from aiormq.exceptions import AMQPConnectionError, ConnectionClosed
from yarl import URL

CLOSE_TIMEOUT_SECONDS: Final = 2.0
HEARTBEAT_SECONDS: Final = 10


@contextmanager
def only_own_cancellation() -> Iterator[None]:
    """Inside, CancelledError means that this very task was cancelled.

    aiormq also raises it to whoever waits on a connection that dies; that becomes an
    AMQPConnectionError here.
    """
    task = asyncio.current_task()
    requests = task.cancelling() if task else 0
    try:
        yield
    except asyncio.CancelledError:
        if task is None or task.cancelling() > requests:
            raise
        raise AMQPConnectionError("the connection was lost") from None


class _Transport(TransportFactory):
    """Remembers the stream it opened: aiormq closes one politely, and cannot drop it."""

    def __init__(self, url: URL) -> None:
        tls = url.scheme == "amqps"
        self._opener: TransportFactory = TLSTransportFactory() if tls else TCPTransportFactory()
        self._writer: asyncio.StreamWriter | None = None

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, self._writer = await self._opener.create(url, **kwargs)
        return reader, self._writer

    def drop(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


class Session:
    """A connection from its opening to its end. `ended` becomes the reason for that."""

    def __init__(self, url: URL, name: str) -> None:
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._transport = _Transport(url)
        self._connection = Connection(
            url.update_query(heartbeat=HEARTBEAT_SECONDS),
            transport_factory=self._transport,
            client_properties={"connection_name": name},
        )
        self._needed: set[AbstractChannel] = set()

    async def open(self) -> None:
        """Raises AMQPError, OSError or what TLS raises."""
        await self._connection.connect()
        self._connection.closing.add_done_callback(self._on_closing)

    async def channel(self, *, confirms: bool = False) -> AbstractChannel:
        """A channel that the session cannot do without: when it ends, so does the session."""
        channel = await self._connection.channel(publisher_confirms=confirms)
        self._needed.add(channel)

        def on_closing(closing: asyncio.Future[Any]) -> None:
            if channel in self._needed:
                self._on_closing(closing)

        channel.closing.add_done_callback(on_closing)
        return channel

    async def close_channel(self, channel: AbstractChannel) -> None:
        """Close a channel without ending the session."""
        self._needed.discard(channel)
        await channel.close()

    @property
    def is_blocked(self) -> bool:
        """Whether RabbitMQ told this connection that it takes no messages for now."""
        # aiormq tells it only by letting callers of ready() wait: one step shows whether it does.
        waiting = self._connection.ready()
        try:
            waiting.send(None)
        except StopIteration:
            return False
        finally:
            waiting.close()
        return True

    async def unblocked(self) -> None:
        """Return once the session is not blocked, or has ended."""
        waiting: asyncio.Future[None] = asyncio.ensure_future(self._connection.ready())
        either: set[asyncio.Future[Any]] = {waiting, self.ended}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()

    def end(self, reason: str) -> None:
        """Give the session up; the first reason counts."""
        if not self.ended.done():
            self.ended.set_result(reason)

    async def close(self) -> None:
        """Close the connection: politely while there is an answer, hard after that."""
        self.end("closed")
        closing = asyncio.ensure_future(self._connection.close(ConnectionClosed(0, "closed")))
        await asyncio.wait({closing}, timeout=CLOSE_TIMEOUT_SECONDS)
        self._transport.drop()
        await asyncio.wait({closing}, timeout=CLOSE_TIMEOUT_SECONDS)

    def _on_closing(self, closing: asyncio.Future[Any]) -> None:
        error = None if closing.cancelled() else closing.exception()
        if error is None or isinstance(error, asyncio.CancelledError):
            # How aiormq puts it when heartbeats stay away.
            self.end("it went silent")
        else:
            self.end(str(error) or type(error).__name__)
