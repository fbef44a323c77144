"""Publishing groups of write requests until the broker has them, or says it will not."""

import asyncio
import time
from typing import Final

from sangraha import messages
from sangraha.broker.protocol import Broker, Message
from sangraha.broker.topology import WRITE_QUEUE
from sangraha.errors import BrokerUnavailable, OutcomeUnknown, QueueFull
from sangraha.messages import WriteGroup

REQUESTS_HEADER: Final = "sangraha-requests"
MAX_LISTED: Final = 1000
"""1,000 ids are 37,000 bytes of the 64 KiB that headers may have."""


class Outbox:
    """Puts groups on the write queue, each with a confirm."""

    def __init__(self, broker: Broker, reply_to: str, timeout_seconds: float) -> None:
        self._broker = broker
        self._reply_to = reply_to
        self._timeout_seconds = timeout_seconds

    async def publish(self, group: WriteGroup) -> None:
        """Return once the broker has the group for good.

        An unknown outcome is settled by publishing the same ids again: whatever was committed
        once is found by the second delivery. Raises BrokerUnavailable, QueueFull or
        MessageTooLarge where nothing was kept, and OutcomeUnknown where that is not certain at
        the deadline.
        """
        message = self._message(group)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_seconds
        unknown: OutcomeUnknown | None = None
        while True:
            left = deadline - loop.time()
            if unknown is not None and left <= 0:
                raise unknown
            try:
                await self._broker.publish(WRITE_QUEUE.name, message, timeout_seconds=left)
            except OutcomeUnknown as error:
                unknown = error
            except (BrokerUnavailable, QueueFull) as error:
                if unknown is not None:
                    raise unknown from error
                raise
            else:
                return

    def _message(self, group: WriteGroup) -> Message:
        headers: dict[str, str | int] = {"sangraha-sent-ms": int(time.time() * 1000)}
        if len(group.requests) <= MAX_LISTED:
            # Tells whose group it was, should it ever be undecodable.
            headers[REQUESTS_HEADER] = ",".join(str(each.request_id) for each in group.requests)
        return Message(
            body=messages.encode(group),
            message_id=str(group.group_id),
            correlation_id=str(group.group_id),
            reply_to=self._reply_to,
            headers=headers,
        )
