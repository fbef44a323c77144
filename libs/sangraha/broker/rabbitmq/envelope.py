"""Messages as AMQP properties and back, with the fault of a dead letter in a header.

Headers the broker adds are not the application's: they are read here and go no further, since
an x-death that is published again makes RabbitMQ see a cycle.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import msgspec
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.common import FieldTable

from sangraha.broker.protocol import Fault, Message
from sangraha.broker.topology import KIB, MAX_MESSAGE_BYTES
from sangraha.errors import MessageTooLarge

FAULT_HEADER: Final = "sangraha-fault"
MAX_HEADER_BYTES: Final = 64 * KIB
"""All properties travel in one frame, which holds 128 KiB; a fault takes some of it."""

_DEATHS: Final = "x-death"
# Failed deliveries (quorum queues), and since 4.3 deliveries of any end.
_COUNTS: Final = ("x-delivery-count", "x-acquired-count")
_BROKERS_OWN: Final = (_DEATHS, "x-first-death-", "x-last-death-", *_COUNTS)

_TRANSIENT: Final = 1
_PERSISTENT: Final = 2


def sealed(message: Message, fault: Fault | None = None) -> Basic.Properties:
    """The properties that carry the message, and its fault where it is a dead letter.

    Raises MessageTooLarge for what a broker would answer by closing the channel.
    """
    if len(message.body) > MAX_MESSAGE_BYTES:
        raise MessageTooLarge(
            f"the message has {len(message.body)} bytes; at most {MAX_MESSAGE_BYTES} are allowed"
        )
    headers: FieldTable = dict(message.headers)
    if sum(len(name) + len(str(value).encode()) for name, value in headers.items()) > (
        MAX_HEADER_BYTES
    ):
        raise MessageTooLarge(f"the message's headers have more than {MAX_HEADER_BYTES} bytes")
    if fault is not None:
        headers[FAULT_HEADER] = msgspec.json.encode(fault.cut()).decode()
    expires = message.expires_in_seconds
    return Basic.Properties(
        message_id=message.message_id,
        correlation_id=message.correlation_id,
        reply_to=message.reply_to,
        headers=headers or None,
        delivery_mode=_PERSISTENT if message.persistent else _TRANSIENT,
        expiration=None if expires is None else str(max(0, round(expires * 1000))),
    )


def opened(delivered: DeliveredMessage) -> Message:
    """The message in a delivery, whoever published it."""
    properties = delivered.header.properties
    expiration = properties.expiration
    return Message(
        body=delivered.body,
        message_id=properties.message_id or "",
        correlation_id=properties.correlation_id,
        reply_to=properties.reply_to,
        headers={
            name: value
            for name, value in (properties.headers or {}).items()
            if isinstance(value, str | int)
            and name != FAULT_HEADER
            and not name.startswith(_BROKERS_OWN)
        },
        expires_in_seconds=int(expiration) / 1000 if expiration else None,
        persistent=properties.delivery_mode == _PERSISTENT,
    )


def redeliveries(delivered: DeliveredMessage) -> int:
    """How often the message was handed out before, as far as RabbitMQ tells."""
    headers = delivered.header.properties.headers or {}
    counts = [count for name in _COUNTS if isinstance(count := headers.get(name), int)]
    return max([int(delivered.redelivered or False), *counts])


def fault_of(delivered: DeliveredMessage, delivery_limits: Mapping[str, int]) -> Fault | None:
    """Why the message is a dead letter: what was told with it, or else what RabbitMQ noted.

    `delivery_limits` are those of the queues by name: RabbitMQ drops its count when it gives up.
    """
    headers = delivered.header.properties.headers or {}
    told = headers.get(FAULT_HEADER)
    if isinstance(told, str):
        with suppress(msgspec.DecodeError, RecursionError):
            return msgspec.json.decode(told, type=Fault)
    deaths = headers.get(_DEATHS)
    if not isinstance(deaths, list) or not deaths or not isinstance(deaths[0], dict):
        return None
    queue, reason = str(deaths[0].get("queue")), str(deaths[0].get("reason"))
    when = deaths[0].get("time")
    return Fault(
        error=reason.replace("_", "-"),
        message=f"RabbitMQ took the message out of {queue}: {reason}",
        attempts=delivery_limits.get(queue, 0) + 1,
        host="",
        failed_at=when if isinstance(when, datetime) else datetime.now(UTC),
    )
