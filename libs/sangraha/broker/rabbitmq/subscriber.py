"""The consuming half: every subscription and reply queue on one link, and the counting of queues.

A memory alarm never blocks this connection, so acks go on and free what the broker is short of.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPError
from yarl import URL

from sangraha.broker.rabbitmq.declaration import declare
from sangraha.broker.rabbitmq.link import Link
from sangraha.broker.rabbitmq.session import Session, only_own_cancellation
from sangraha.broker.rabbitmq.subscription import ReplyQueue, Subscription
from sangraha.broker.topology import Queue
from sangraha.errors import BrokerUnavailable, InvalidConfiguration

REQUEST_TIMEOUT_SECONDS: Final = 10.0
RECONNECT_TIMEOUT_SECONDS: Final = 2.0


class Subscriber:
    """A link that carries all that is consumed from one session to the next."""

    def __init__(self, url: URL, name: str, topology: Sequence[Queue]) -> None:
        self._topology = topology
        self._carried: list[Subscription | ReplyQueue] = []
        self._counting: AbstractChannel
        self.link = Link(url, f"{name} consumer", self._prepare)

    async def carry(self, carried: Subscription | ReplyQueue) -> None:
        """Consume on this session, if there is one, and on every later one."""
        self._carried = [each for each in self._carried if not each.cancelled]
        self._carried.append(carried)
        session = self.link.session
        if session is None:
            return
        try:
            with only_own_cancellation():
                async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
                    await carried.attach(session)
        except (AMQPError, RuntimeError, OSError, TimeoutError) as error:
            session.end(f"nothing can be consumed: {error!r}")

    async def depth(self, queue: str) -> int:
        """How many messages are ready in the queue. Raises BrokerUnavailable."""
        try:
            async with asyncio.timeout(RECONNECT_TIMEOUT_SECONDS):
                await self.link.up()
        except (TimeoutError, InvalidConfiguration) as error:
            raise self.link.unavailable() from error
        try:
            with only_own_cancellation():
                told = await self._counting.queue_declare(
                    queue, passive=True, timeout=REQUEST_TIMEOUT_SECONDS
                )
        except (AMQPError, RuntimeError, OSError, TimeoutError) as error:
            raise BrokerUnavailable(f"RabbitMQ did not count {queue}: {error!r}") from error
        return told.message_count or 0

    async def _prepare(self, session: Session) -> None:
        self._counting = await session.channel()
        await declare(self._counting, self._topology)
        # More may be added while these are being attached.
        while waiting := [
            each for each in self._carried if each.session is not session and not each.cancelled
        ]:
            await waiting[0].attach(session)
