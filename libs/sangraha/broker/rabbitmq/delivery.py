"""A message that RabbitMQ handed out, and the ways to settle it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelInvalidStateError

from sangraha.broker.protocol import Fault, Message
from sangraha.broker.rabbitmq.envelope import fault_of, opened, redeliveries

SETTLE_TIMEOUT_SECONDS: Final = 10.0


class Origin(Protocol):
    """The subscription a delivery came by."""

    async def dead_letter(self, message: Message, fault: Fault) -> None:
        """Publish the message to the dead-letter queue, with a confirm."""

    async def settled(self, channel: AbstractChannel) -> None:
        """A delivery of that channel was settled."""

    def is_stuck(self, channel: AbstractChannel) -> None:
        """The channel takes nothing any more."""


class RabbitMQDelivery:
    """A delivery. Only the channel it came by can settle it."""

    def __init__(
        self, delivered: DeliveredMessage, origin: Origin, delivery_limits: Mapping[str, int]
    ) -> None:
        self.message = opened(delivered)
        self.redeliveries = redeliveries(delivered)
        self.fault = fault_of(delivered, delivery_limits)
        self._channel = delivered.channel
        self._tag = delivered.delivery_tag or 0
        self._origin = origin
        self._settled = False

    async def ack(self) -> None:
        """As Delivery.ack."""
        await self._settle(lambda: self._channel.basic_ack(self._tag, wait=False))

    async def release(self) -> None:
        """As Delivery.release."""
        # Not basic.nack: since RabbitMQ 4.3 that does not count towards the delivery limit.
        await self._settle(lambda: self._channel.basic_reject(self._tag, wait=False))

    async def dead_letter(self, fault: Fault) -> None:
        """As Delivery.dead_letter."""
        if self._settled or self._channel.is_closed:
            return
        moving = asyncio.ensure_future(self._origin.dead_letter(self.message, fault))
        lost: asyncio.Future[Any] = self._channel.closing
        either: set[asyncio.Future[Any]] = {moving, lost}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not moving.done():
                # The message comes again: moving it as well would double it.
                return
            moving.result()
        finally:
            lost.cancel()
            moving.cancel()
            await asyncio.gather(moving, return_exceptions=True)
        await self.ack()

    async def _settle(self, send: Callable[[], Awaitable[None]]) -> None:
        if self._settled:
            return
        self._settled = True
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT_SECONDS):
                await send()
        except ChannelInvalidStateError:
            return
        except TimeoutError:
            # Were the connection to stay, the message would neither be settled nor come again.
            self._origin.is_stuck(self._channel)
            return
        except asyncio.CancelledError:
            self._settled = False
            raise
        await self._origin.settled(self._channel)
