"""Every queue's name and limits, once. These are constants, never settings: a broker refuses
a queue that is declared again with other arguments.
"""

from dataclasses import dataclass
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

MAX_MESSAGE_BYTES: Final = 15 * MIB
"""No message may be larger: RabbitMQ 4.x takes 16 MiB, headers included."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue and its limits.

    `replicated` queues keep every confirmed message through crashes (RabbitMQ: quorum; journal:
    on disk); others hold transient messages only. A message that comes back more than
    `delivery_limit` times (so after `delivery_limit` + 1 deliveries) moves to `dead_letters_to`.
    Publishing to a queue that holds `max_length` messages or `max_length_bytes` is refused.
    """

    name: str
    replicated: bool
    max_length: int
    max_length_bytes: int
    delivery_limit: int | None = None
    dead_letters_to: str | None = None


DEAD_LETTER_QUEUE: Final = Queue(
    name="object_write_queue.dlq",
    replicated=True,
    max_length=1_000_000,
    max_length_bytes=4096 * MIB,
    delivery_limit=1_000_000,
)

WRITE_QUEUE: Final = Queue(
    name="object_write_queue",
    replicated=True,
    max_length=100_000,
    max_length_bytes=2048 * MIB,
    delivery_limit=20,
    dead_letters_to=DEAD_LETTER_QUEUE.name,
)

READ_QUEUE: Final = Queue(
    name="object_read_queue",
    replicated=False,
    max_length=20_000,
    max_length_bytes=64 * MIB,
)

TOPOLOGY: Final = (DEAD_LETTER_QUEUE, WRITE_QUEUE, READ_QUEUE)

REPLY_QUEUE_EXPIRY_SECONDS: Final = 60
"""A reply queue without a consumer for this long is removed."""
REPLY_QUEUE_MAX_LENGTH: Final = 10_000
"""Older replies fall out first: a reply is a courtesy, the catalog has the outcome."""


def reply_queue_name(service: str, replica: str, boot_id: str) -> str:
    """The reply queue of one run of one replica."""
    return f"object_response_queue.{service}.{replica}.{boot_id}"
