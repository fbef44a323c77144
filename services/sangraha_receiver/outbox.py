"""Publishing write requests until the broker has them, or says it will not."""

import asyncio
import time

from sangraha import messages
from sangraha.broker.protocol import Broker, Message
from sangraha.broker.topology import WRITE_QUEUE
from sangraha.errors import BrokerUnavailable, OutcomeUnknown, QueueFull
from sangraha.messages import CreateObject, WriteGroup


class Outbox:
    """Puts each request on the write queue, as a group of one, with a confirm."""

    def __init__(self, broker: Broker, reply_to: str, timeout_seconds: float) -> None:
        self._broker = broker
        self._reply_to = reply_to
        self._timeout_seconds = timeout_seconds

    async def publish(self, request: CreateObject) -> None:
        """Return once the broker has the request for good.

        An unknown outcome is settled by publishing the same ids again: whatever was committed
        once is found by the second delivery. Raises BrokerUnavailable or QueueFull where nothing
        was kept, and OutcomeUnknown where that is not certain at the deadline.
        """
        message = Message(
            body=messages.encode(WriteGroup(group_id=request.request_id, requests=[request])),
            message_id=str(request.request_id),
            correlation_id=str(request.request_id),
            reply_to=self._reply_to,
            headers={
                "sangraha-requests": str(request.request_id),
                "sangraha-sent-ms": int(time.time() * 1000),
            },
        )
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
