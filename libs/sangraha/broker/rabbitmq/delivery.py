"""A message that RabbitMQ handed out, read, and the ways to settle it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiormq.abc import DeliveredMessage

from sangraha.broker.protocol import Fault, Message
from sangraha.broker.rabbitmq.envelope import fault_of, opened, redeliveries
from sangraha.broker.rabbitmq.settlement import Settlement


class RabbitMQDelivery:
    """A delivery. Only the channel it came by can settle it."""

    def __init__(
        self,
        delivered: DeliveredMessage,
        settlement: Settlement,
        *,
        dead_letter: Callable[[Message, Fault], Awaitable[None]],
        delivery_limits: Mapping[str, int],
    ) -> None:
        """`dead_letter` publishes the message to the dead-letter queue, with a confirm."""
        self.message = opened(delivered)
        self.redeliveries = redeliveries(delivered)
        self.fault = fault_of(delivered, delivery_limits)
        self._settlement = settlement
        self._dead_letter = dead_letter

    @property
    def lost(self) -> bool:
        """As Delivery.lost."""
        return self._settlement.lost

    async def ack(self) -> None:
        """As Delivery.ack."""
        await self._settlement.ack()

    async def release(self) -> None:
        """As Delivery.release."""
        await self._settlement.release()

    async def dead_letter(self, fault: Fault) -> None:
        """As Delivery.dead_letter."""
        if self._settlement.done or self.lost:
            return
        moving = asyncio.ensure_future(self._dead_letter(self.message, fault))
        lost: asyncio.Future[Any] = self._settlement.channel.closing
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
