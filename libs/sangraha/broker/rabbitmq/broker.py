"""RabbitMQ as a Broker: what the protocol promises, put together from its two halves."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from yarl import URL

from sangraha.broker.protocol import Consumer, Delivery, Fault, Message
from sangraha.broker.rabbitmq import tolerance
from sangraha.broker.rabbitmq.publisher import Publisher
from sangraha.broker.rabbitmq.subscriber import Subscriber
from sangraha.broker.rabbitmq.subscription import ReplyQueue, Subscription
from sangraha.broker.topology import TOPOLOGY, Queue
from sangraha.errors import InvalidConfiguration

DEAD_LETTER_TIMEOUT_SECONDS: Final = 10.0


class RabbitMQBroker:
    """A broker at an address of the AMQP URI specification (amqp:// or amqps://).

    `name` is what the connections are called in RabbitMQ's own tools. Raises
    InvalidConfiguration for an address that is none.
    """

    def __init__(
        self, url: str, topology: Sequence[Queue] = TOPOLOGY, *, name: str = "sangraha"
    ) -> None:
        address = _address(url)
        self._queues = {queue.name: queue for queue in topology}
        self._delivery_limits = {
            queue.name: queue.delivery_limit
            for queue in topology
            if queue.delivery_limit is not None
        }
        self._publisher = Publisher(address, name, topology)
        self._subscriber = Subscriber(address, name, topology)

    @property
    def ready(self) -> bool:
        """As Broker.ready; False while RabbitMQ takes no messages (memory or disk alarm)."""
        return self._publisher.ready and self._subscriber.link.session is not None

    async def start(self) -> None:
        """As Broker.start. Queues with other arguments are logged, and told by `wait_ready`."""
        # What the library logs, passing errors of every attempt, is told once by link.py.
        logging.getLogger("aiormq").setLevel(logging.CRITICAL)
        tolerance.install()
        self._publisher.link.start()
        self._subscriber.link.start()

    async def wait_ready(self, timeout_seconds: float) -> None:
        """As Broker.wait_ready. Raises InvalidConfiguration once a queue is found to differ."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while not self.ready:
                    await self._publisher.until_ready()
                    await self._subscriber.link.up()
        except TimeoutError:
            if self._publisher.ready:
                raise self._subscriber.link.unavailable() from None
            raise self._publisher.unavailable() from None

    async def publish(self, queue: str, message: Message, *, timeout_seconds: float) -> None:
        """As Broker.publish. Raises InvalidConfiguration for a queue outside the topology."""
        self._known(queue)
        await self._publisher.publish(queue, message, timeout_seconds=timeout_seconds)

    async def consume(
        self, queue: str, handler: Callable[[Delivery], None], *, prefetch: int
    ) -> Consumer:
        """As Broker.consume. Raises InvalidConfiguration for a queue outside the topology."""
        subscription = Subscription(
            self._known(queue),
            handler,
            prefetch=prefetch,
            dead_letter=self._dead_letter,
            delivery_limits=self._delivery_limits,
        )
        await self._subscriber.carry(subscription)
        return subscription

    async def open_reply_queue(self, name: str, handler: Callable[[Message], None]) -> None:
        """As Broker.open_reply_queue."""
        await self._subscriber.carry(ReplyQueue(name, handler))

    async def reply(self, reply_to: str, message: Message) -> None:
        """As Broker.reply; never waits for a blocked or lost connection. Raises MessageTooLarge."""
        await self._publisher.reply(reply_to, message)

    async def depth(self, queue: str) -> int:
        """As Broker.depth. Raises InvalidConfiguration for a queue outside the topology."""
        return await self._subscriber.depth(self._known(queue).name)

    async def close(self) -> None:
        """As Broker.close; within a few seconds even if the broker does not answer."""
        await asyncio.gather(self._publisher.link.close(), self._subscriber.link.close())

    async def _dead_letter(self, queue: Queue, message: Message, fault: Fault) -> None:
        if queue.dead_letters_to is None:
            raise InvalidConfiguration(f"{queue.name} has no dead-letter queue")
        await self._publisher.publish(
            queue.dead_letters_to,
            message,
            timeout_seconds=DEAD_LETTER_TIMEOUT_SECONDS,
            fault=fault,
        )

    def _known(self, name: str) -> Queue:
        try:
            return self._queues[name]
        except KeyError:
            raise InvalidConfiguration(f"there is no queue {name} in the topology") from None


def _address(url: str) -> URL:
    try:
        address = URL(url)
    except ValueError as error:
        raise InvalidConfiguration("the broker's address cannot be read") from error
    if address.scheme not in ("amqp", "amqps") or not address.host:
        raise InvalidConfiguration("the broker's address must be amqp://… or amqps://…")
    return address
