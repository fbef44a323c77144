"""What the consuming connection carries: subscriptions to queues, and reply queues.

Each has a channel of its own on every new session, and takes up there where it was cut off.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import AMQPError

from sangraha.broker.protocol import Delivery, Fault, Message
from sangraha.broker.rabbitmq.declaration import declare_reply_queue
from sangraha.broker.rabbitmq.delivery import RabbitMQDelivery
from sangraha.broker.rabbitmq.envelope import opened
from sangraha.broker.rabbitmq.session import Session, only_own_cancellation
from sangraha.broker.rabbitmq.settlement import SETTLE_TIMEOUT_SECONDS, Settlement
from sangraha.broker.topology import Queue

logger: Final = logging.getLogger("sangraha.broker.rabbitmq")

# Tags need only be unique on their channel, and no channel has a second consumer.
_TAG: Final = "sangraha"


class Subscription:
    """A consumer with a prefetch. Its channel outlives a cancel until all is settled."""

    def __init__(
        self,
        queue: Queue,
        handler: Callable[[Delivery], None],
        *,
        prefetch: int,
        dead_letter: Callable[[Queue, Message, Fault], Awaitable[None]],
        delivery_limits: Mapping[str, int],
    ) -> None:
        self._queue = queue
        self._handler = handler
        self._prefetch = prefetch
        self._dead_letter = dead_letter
        self._delivery_limits = delivery_limits
        self.session: Session | None = None
        self._channel: AbstractChannel | None = None
        self._unsettled = 0
        self.cancelled = False

    async def attach(self, session: Session) -> None:
        """Consume on that session."""
        channel = await session.channel()
        self.session, self._channel, self._unsettled = session, channel, 0
        channel.on_consumer_cancel_callbacks.add(
            lambda _: session.end(f"RabbitMQ cancelled the consumer of {self._queue.name}")
        )
        await channel.basic_qos(prefetch_count=self._prefetch)
        await channel.basic_consume(self._queue.name, self._on_delivered, consumer_tag=_TAG)
        if self.cancelled:
            await self._stop(session, channel)

    async def cancel(self) -> None:
        """As Consumer.cancel."""
        if self.cancelled:
            return
        self.cancelled = True
        if self.session is not None and self._channel is not None:
            await self._stop(self.session, self._channel)

    async def settled(self, channel: AbstractChannel) -> None:
        """As Settler.settled."""
        if channel is self._channel:
            self._unsettled -= 1
            await self._close_if_done()

    def is_stuck(self, channel: AbstractChannel) -> None:
        """As Settler.is_stuck."""
        if self.session is not None and channel is self._channel:
            self.session.end("an acknowledgement could not be sent")

    async def _stop(self, session: Session, channel: AbstractChannel) -> None:
        try:
            with only_own_cancellation():
                await channel.basic_cancel(_TAG, timeout=SETTLE_TIMEOUT_SECONDS)
        except (AMQPError, RuntimeError, OSError, TimeoutError) as error:
            session.end(f"the consumer of {self._queue.name} could not be cancelled: {error!r}")
        else:
            await self._close_if_done()

    async def _close_if_done(self) -> None:
        if self.cancelled and not self._unsettled and self.session and self._channel:
            channel, self._channel = self._channel, None
            await self.session.close_channel(channel)

    async def _on_delivered(self, delivered: DeliveredMessage) -> None:
        self._unsettled += 1
        settlement = Settlement(delivered, self)
        try:
            delivery = RabbitMQDelivery(
                delivered,
                settlement,
                dead_letter=partial(self._dead_letter, self._queue),
                delivery_limits=self._delivery_limits,
            )
        except Exception:
            await self._refuse(settlement)
            return
        try:
            self._handler(delivery)
        except Exception:
            logger.exception("a message of %s is given back: its handler failed", self._queue.name)
            await delivery.release()

    async def _refuse(self, settlement: Settlement) -> None:
        """Part with a message that cannot be read; call it where the reason is being handled."""
        if self._queue.dead_letters_to is None:
            logger.exception("a message of %s is dropped: unreadable", self._queue.name)
            await settlement.ack()
        else:
            logger.exception("a message of %s is dead-lettered: unreadable", self._queue.name)
            await settlement.refuse()


class ReplyQueue:
    """A transient queue of replies, declared anew on every session."""

    def __init__(self, name: str, handler: Callable[[Message], None]) -> None:
        self._name = name
        self._handler = handler
        self.session: Session | None = None
        self.cancelled = False

    async def attach(self, session: Session) -> None:
        """Declare the queue and consume on that session."""
        channel = await session.channel()
        self.session = session
        channel.on_consumer_cancel_callbacks.add(
            lambda _: session.end(f"RabbitMQ cancelled the consumer of {self._name}")
        )
        await declare_reply_queue(channel, self._name)
        await channel.basic_consume(self._name, self._on_reply, no_ack=True, consumer_tag=_TAG)

    async def _on_reply(self, delivered: DeliveredMessage) -> None:
        try:
            self._handler(opened(delivered))
        except Exception:
            logger.exception("a reply is lost: its handler failed")
