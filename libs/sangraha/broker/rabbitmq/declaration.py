"""Queues as RabbitMQ is told of them: their types and arguments, and declaring them.

A queue that exists with other arguments is never changed; that is for people to decide.
"""

from collections.abc import Iterable
from typing import Final

from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelPreconditionFailed
from pamqp.common import FieldTable

from sangraha.broker.topology import REPLY_QUEUE_EXPIRY_SECONDS, REPLY_QUEUE_MAX_LENGTH, Queue
from sangraha.errors import InvalidConfiguration

REPLY_QUEUE_ARGUMENTS: Final[FieldTable] = {
    "x-queue-type": "classic",
    "x-expires": REPLY_QUEUE_EXPIRY_SECONDS * 1000,
    "x-max-length": REPLY_QUEUE_MAX_LENGTH,
    "x-overflow": "drop-head",
}


def arguments(queue: Queue) -> FieldTable:
    """The arguments of a queue of the topology, all of them explicit: what a server or virtual
    host has for defaults differs.
    """
    told: FieldTable = {
        "x-queue-type": "quorum" if queue.replicated else "classic",
        "x-max-length": queue.max_length,
        "x-max-length-bytes": queue.max_length_bytes,
        "x-overflow": "reject-publish",
    }
    if queue.delivery_limit is not None:
        told["x-delivery-limit"] = queue.delivery_limit
    if queue.dead_letters_to is not None:
        told["x-dead-letter-exchange"] = ""
        told["x-dead-letter-routing-key"] = queue.dead_letters_to
        told["x-dead-letter-strategy"] = "at-least-once"
    return told


async def declare(channel: AbstractChannel, topology: Iterable[Queue]) -> None:
    """Make the queues that are not there yet.

    Raises InvalidConfiguration where one has other arguments; the channel is closed then.
    """
    for queue in topology:
        await _declare(channel, queue.name, arguments(queue))


async def declare_reply_queue(channel: AbstractChannel, name: str) -> None:
    """Make a reply queue; as `declare`.

    It is durable although its messages are not: RabbitMQ 4 is giving up transient queues that
    are not exclusive, and an exclusive one would refuse the connection that replaces a lost one.
    """
    await _declare(channel, name, REPLY_QUEUE_ARGUMENTS)


async def _declare(channel: AbstractChannel, name: str, told: FieldTable) -> None:
    try:
        await channel.queue_declare(name, durable=True, arguments=told)
    except ChannelPreconditionFailed as error:
        raise InvalidConfiguration(
            f"the queue {name} cannot be what it must be: {error.args[0]}"
        ) from error
