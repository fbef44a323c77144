"""The publishing half: messages with a confirm, and replies without one.

RabbitMQ stops reading this connection when its memory or disk runs out; nothing that must go on
then (acks, counting) may use it.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiormq.abc import AbstractChannel
from aiormq.exceptions import (
    AMQPError,
    ChannelInvalidStateError,
    DeliveryError,
    PublishError,
)
from pamqp.commands import Basic
from yarl import URL

from sangraha.broker.protocol import Fault, Message
from sangraha.broker.rabbitmq.declaration import declare
from sangraha.broker.rabbitmq.envelope import sealed
from sangraha.broker.rabbitmq.link import Link
from sangraha.broker.rabbitmq.session import Session, only_own_cancellation
from sangraha.broker.topology import Queue
from sangraha.errors import BrokerUnavailable, InvalidConfiguration, OutcomeUnknown, QueueFull

REPLY_TIMEOUT_SECONDS: Final = 1.0


class Publisher:
    """A link with two channels: one whose messages are confirmed, one for replies."""

    def __init__(self, url: URL, name: str, topology: Sequence[Queue]) -> None:
        self._topology = topology
        self._confirming: AbstractChannel
        self._replying: AbstractChannel
        self.link = Link(url, f"{name} publisher", self._prepare)

    @property
    def ready(self) -> bool:
        """Whether a message would be taken now."""
        session = self.link.session
        return session is not None and not session.is_blocked

    async def until_ready(self) -> Session:
        """The session, once `ready`; the caller sets the deadline."""
        while (session := await self.link.up()).is_blocked:
            await session.unblocked()
        return session

    def unavailable(self) -> BrokerUnavailable:
        """The error for who cannot wait any longer."""
        session = self.link.session
        if session is not None and session.is_blocked:
            return BrokerUnavailable("RabbitMQ takes no messages: it is short of memory or disk")
        return self.link.unavailable()

    async def publish(
        self, queue: str, message: Message, *, timeout_seconds: float, fault: Fault | None = None
    ) -> None:
        """Put the message on the queue; as Broker.publish, with the fault of a dead letter."""
        properties = sealed(message, fault)
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        while not await self._confirmed(queue, message.body, properties, deadline):
            pass

    async def reply(self, reply_to: str, message: Message) -> None:
        """Send the message if that is possible now, and do not care what becomes of it.

        Raises MessageTooLarge.
        """
        properties = sealed(message)
        if not self.ready:
            return
        try:
            with only_own_cancellation():
                await self._replying.basic_publish(
                    message.body,
                    routing_key=reply_to,
                    properties=properties,
                    timeout=REPLY_TIMEOUT_SECONDS,
                )
        except (AMQPError, ChannelInvalidStateError, OSError, TimeoutError):
            return

    async def _prepare(self, session: Session) -> None:
        self._confirming = await session.channel(confirms=True)
        self._replying = await session.channel()
        await declare(self._replying, self._topology)

    async def _confirmed(
        self, queue: str, body: bytes, properties: Basic.Properties, deadline: float
    ) -> bool:
        """One attempt; False where the channel turned out to be closed before anything was sent."""
        try:
            async with asyncio.timeout_at(deadline):
                session = await self.until_ready()
        except TimeoutError:
            raise self.unavailable() from None
        except InvalidConfiguration as error:
            raise BrokerUnavailable(error.detail) from error
        try:
            with only_own_cancellation():
                await self._confirming.basic_publish(
                    body,
                    routing_key=queue,
                    properties=properties,
                    mandatory=True,
                    timeout=deadline - asyncio.get_running_loop().time(),
                )
        except ChannelInvalidStateError:
            session.end("its channel was closed")
            return False
        except PublishError as error:
            # Somebody deleted the queue. A new session declares it again.
            session.end(f"there is no queue {queue}")
            raise BrokerUnavailable(f"RabbitMQ has no queue {queue}") from error
        except DeliveryError as error:
            raise QueueFull(f"RabbitMQ refused the message: {queue} is full") from error
        except TimeoutError as error:
            raise OutcomeUnknown("RabbitMQ did not confirm the message in time") from error
        except (AMQPError, OSError) as error:
            raise OutcomeUnknown("the connection was lost before the confirm came") from error
        return True
