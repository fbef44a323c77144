"""The getter: asks the read queue, and hands the answers to the requests that wait for them."""

import asyncio
import logging
import time
from uuid import UUID

from sangraha import messages
from sangraha.broker.protocol import Broker, Message
from sangraha.broker.topology import READ_QUEUE, reply_queue_name
from sangraha.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    ReadTimedOut,
    UndecodableMessage,
)
from sangraha.ids import IdMint
from sangraha.messages import ReadGroup, ReadOutcome, ReadReplies, ReadRequest
from sangraha.replies import Replies
from sangraha.settings import Settings
from sangraha.store.protocol import Store

logger = logging.getLogger(__name__)


class Getter:
    """Serves reads. Needs the broker, and an orchestrator behind it; large bodies come straight
    from the `store`, which may be away as long as nobody asks for one.
    """

    def __init__(
        self, settings: Settings, broker: Broker, store: Store, mint: IdMint, boot_id: str
    ) -> None:
        self.store = store
        self._broker = broker
        self._mint = mint
        self._timeout_seconds = settings.read_timeout_seconds
        self._replies = Replies[ReadOutcome]()
        self._reply_queue = reply_queue_name("getter", settings.replica, boot_id)

    async def start(self) -> None:
        """Open the reply queue."""
        await self._broker.open_reply_queue(self._reply_queue, self._on_reply)

    async def check_broker(self) -> None:
        """Raises BrokerUnavailable unless the broker can be published to now."""
        await self._broker.wait_ready(0)

    def new_read_id(self) -> UUID:
        """An id for one read."""
        return self._mint.new()

    async def ask(self, request: ReadRequest) -> ReadOutcome:
        """The answer to this read.

        Raises ReadTimedOut past the deadline, BrokerUnavailable or QueueFull where it could not
        be asked. Nothing is tried again: the caller may.
        """
        now = time.time()
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        message = Message(
            body=messages.encode(ReadGroup(group_id=request.read_id, requests=[request])),
            message_id=str(request.read_id),
            correlation_id=str(request.read_id),
            reply_to=self._reply_queue,
            headers={
                "sangraha-sent-ms": int(now * 1000),
                "sangraha-deadline-ms": int((now + self._timeout_seconds) * 1000),
            },
            expires_in_seconds=self._timeout_seconds,
            persistent=False,
        )
        with self._replies.expect(request.read_id) as reply:
            try:
                # Its own deadline, not one around it: it knows why it could not.
                await self._broker.publish(
                    READ_QUEUE.name, message, timeout_seconds=self._timeout_seconds
                )
                async with asyncio.timeout_at(deadline):
                    return await reply
            except OutcomeUnknown as error:
                raise BrokerUnavailable(
                    "the question may have been lost on its way; please ask again"
                ) from error
            except TimeoutError:
                raise ReadTimedOut(
                    f"no answer within {self._timeout_seconds:g} s; please try again"
                ) from None

    def _on_reply(self, message: Message) -> None:
        try:
            group = messages.decode(ReadReplies, message.body)
        except UndecodableMessage as error:
            logger.error("dropped a reply: %s", error)
            return
        for outcome in group.outcomes:
            self._replies.arrived(outcome.read_id, outcome)
