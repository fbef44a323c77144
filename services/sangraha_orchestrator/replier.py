"""Replies in the background: best effort, and never in the way of an ack."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from sangraha import messages
from sangraha.broker.protocol import Broker, Message
from sangraha.broker.topology import MIB
from sangraha.messages import Found, ReadOutcome, ReadReplies, WriteOutcome, WriteReplies

logger = logging.getLogger(__name__)

MAX_PENDING: Final = 1000
MAX_REPLY_BYTES: Final = 12 * MIB


class Replier:
    """Sends replies from tasks of its own, and drops them when too many are pending: writers
    then find the outcome in the catalog, and readers ask again.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._tasks: set[asyncio.Task[None]] = set()

    def writes(self, asked: Message, group_id: UUID, outcomes: Sequence[WriteOutcome]) -> None:
        """One reply message for a group of writes."""
        self._send(asked, WriteReplies(group_id=group_id, outcomes=list(outcomes)))

    def reads(self, asked: Message, group_id: UUID, outcomes: Sequence[ReadOutcome]) -> None:
        """As few reply messages for a group of reads as their bodies and pages fit in."""
        batch: list[ReadOutcome] = []
        size = 0
        for outcome in outcomes:
            own = _size(outcome) if len(outcomes) > 1 else 0
            if batch and size + own > MAX_REPLY_BYTES:
                self._send(asked, ReadReplies(group_id=group_id, outcomes=batch))
                batch, size = [], 0
            batch.append(outcome)
            size += own
        self._send(asked, ReadReplies(group_id=group_id, outcomes=batch))

    async def finish(self, timeout_seconds: float) -> None:
        """Wait for what is being sent; past the time give the rest up."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout_seconds)
            for task in late:
                task.cancel()

    def _send(self, asked: Message, group: WriteReplies | ReadReplies) -> None:
        if asked.reply_to is None:
            return
        if len(self._tasks) >= MAX_PENDING:
            logger.warning("dropped a reply: %d are pending", len(self._tasks))
            return
        reply = Message(
            body=messages.encode(group),
            message_id=asked.message_id,
            correlation_id=asked.correlation_id,
            persistent=False,
        )
        task = asyncio.get_running_loop().create_task(self._reply(asked.reply_to, reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reply(self, reply_to: str, reply: Message) -> None:
        try:
            await self._broker.reply(reply_to, reply)
        except Exception:
            logger.exception("a reply could not be sent")


def _size(outcome: ReadOutcome) -> int:
    """About the bytes it takes in a message: pages of objects with much metadata are large."""
    if isinstance(outcome, Found):
        return len(outcome.body or b"")
    return len(msgspec.msgpack.encode(outcome))
