"""The right to settle one message that RabbitMQ handed out, once, on the channel it came by.

What is in the message is nothing to it: also one that cannot be read must be settled.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelInvalidStateError

SETTLE_TIMEOUT_SECONDS: Final = 10.0


class Settler(Protocol):
    """Who counts what is settled on a channel."""

    async def settled(self, channel: AbstractChannel) -> None:
        """A delivery of that channel was settled."""

    def is_stuck(self, channel: AbstractChannel) -> None:
        """The channel takes nothing any more."""


class Settlement:
    """Done once by any of its methods; all of them do nothing after that or once it is `lost`."""

    def __init__(self, delivered: DeliveredMessage, settler: Settler) -> None:
        self.channel = delivered.channel
        self.done = False
        self._tag = delivered.delivery_tag or 0
        self._settler = settler

    @property
    def lost(self) -> bool:
        """Whether the channel ended first."""
        return not self.done and self.channel.is_closed

    async def ack(self) -> None:
        """The message leaves its queue."""
        await self._settle(lambda: self.channel.basic_ack(self._tag, wait=False))

    async def release(self) -> None:
        """The message waits again."""
        # Not basic.nack: since RabbitMQ 4.3 that does not count towards the delivery limit.
        await self._settle(lambda: self.channel.basic_reject(self._tag, wait=False))

    async def refuse(self) -> None:
        """RabbitMQ itself moves the message to the dead-letter queue; without one it is gone."""
        await self._settle(lambda: self.channel.basic_reject(self._tag, requeue=False, wait=False))

    async def _settle(self, send: Callable[[], Awaitable[None]]) -> None:
        if self.done:
            return
        self.done = True
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT_SECONDS):
                await send()
        except ChannelInvalidStateError:
            self.done = False
            return
        except TimeoutError:
            self.done = False
            # Were the connection to stay, the message would neither be settled nor come again.
            self._settler.is_stuck(self.channel)
            return
        except asyncio.CancelledError:
            self.done = False
            raise
        await self._settler.settled(self.channel)
