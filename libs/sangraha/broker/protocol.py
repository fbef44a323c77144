"""What a broker is to the services: publish with a confirm, consume with acks, reply.

The contract is tests/contract/broker_contract.py; every broker passes all of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import msgspec

MAX_STACK_BYTES = 2048


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Why a message was dead-lettered, told with it.

    `error` is the error's name ("UndecodableMessage", or "delivery-limit" when the broker gave
    up by itself), `stack` at most MAX_STACK_BYTES bytes of it, `attempts` how often the message
    was handed out, `host` where it failed last.
    """

    error: str
    message: str
    stack: str = ""
    attempts: int
    host: str
    failed_at: datetime

    def cut(self) -> "Fault":
        """The same with the end of its stack, where the error is, and the start of its message:
        at most MAX_STACK_BYTES bytes of each. Brokers keep no more.
        """
        stack = self.stack.encode(errors="replace")[-MAX_STACK_BYTES:]
        message = self.message.encode(errors="replace")[:MAX_STACK_BYTES]
        return msgspec.structs.replace(
            self, stack=stack.decode(errors="ignore"), message=message.decode(errors="ignore")
        )


@dataclass(frozen=True, slots=True)
class Message:
    """A message. `message_id` is the group's id as text; headers are the application's own.

    `expires_in_seconds` is the deadline of a transient message: past it, it is not delivered.
    `persistent` messages survive a crash of the broker once confirmed (in replicated queues).
    """

    body: bytes
    message_id: str
    correlation_id: str | None = None
    reply_to: str | None = None
    headers: Mapping[str, str | int] = field(default_factory=dict)
    expires_in_seconds: float | None = None
    persistent: bool = True


class Delivery(Protocol):
    """A message handed to a consumer, who must settle it exactly once: ack, release or
    dead_letter. Settling after the connection was lost does nothing and raises nothing: the
    message is delivered again.
    """

    @property
    def message(self) -> Message: ...

    @property
    def redeliveries(self) -> int:
        """How often this message was handed out before, as far as the broker knows (0: never)."""

    @property
    def fault(self) -> Fault | None:
        """Why it was dead-lettered, where it comes from a dead-letter queue."""

    @property
    def lost(self) -> bool:
        """Whether its connection is gone: settling does nothing any more, the message is
        delivered again. False once it is settled.
        """

    async def ack(self) -> None:
        """The message is done with; it leaves the queue."""

    async def release(self) -> None:
        """Give the message back to its queue; it counts towards the delivery limit."""

    async def dead_letter(self, fault: Fault) -> None:
        """Move the message, with the fault, to its queue's dead-letter queue.

        It is in one of the two queues at any time, never in neither. Raises BrokerUnavailable,
        QueueFull or OutcomeUnknown where it could not be moved; it is then still unsettled.
        """


class Consumer(Protocol):
    """A running subscription."""

    async def cancel(self) -> None:
        """No further deliveries; what was delivered may still be settled."""


class Broker(Protocol):
    """A broker. Handlers are plain functions called on the event loop: they must return at once
    and leave the work to tasks of the application's own.
    """

    @property
    def ready(self) -> bool:
        """Whether publishing and consuming work now."""

    async def start(self) -> None:
        """Connect in the background, declare the topology, go on reconnecting for ever.

        Returns at once, also while the broker is away. Raises InvalidConfiguration only for what
        will never work (a queue with other arguments, a folder that is in use).
        """

    async def wait_ready(self, timeout_seconds: float) -> None:
        """Return once `ready`. Raises BrokerUnavailable past the deadline."""

    async def publish(self, queue: str, message: Message, *, timeout_seconds: float) -> None:
        """Put the message on the queue; returning means the broker has it for good.

        While reconnecting, waits for the connection within the deadline. Raises
        BrokerUnavailable (nothing was sent), QueueFull (refused, nothing kept),
        MessageTooLarge (over MAX_MESSAGE_BYTES, nothing was sent), or OutcomeUnknown (sent, but
        no confirm came: publish the same message again, its handler is idempotent).
        """

    async def consume(
        self, queue: str, handler: Callable[[Delivery], None], *, prefetch: int
    ) -> Consumer:
        """Hand messages to `handler`, at most `prefetch` of them unsettled at a time.

        The subscription survives reconnects; may be made before the first connection.
        """

    async def open_reply_queue(self, name: str, handler: Callable[[Message], None]) -> None:
        """Make a transient queue of this name and hand every reply in it to `handler`."""

    async def reply(self, reply_to: str, message: Message) -> None:
        """Send a best-effort reply: no confirm, no error if the queue or the broker is gone."""

    async def depth(self, queue: str) -> int:
        """How many messages wait in the queue. Raises BrokerUnavailable."""

    async def close(self) -> None:
        """Let go of everything; unsettled deliveries come again at the next start."""
