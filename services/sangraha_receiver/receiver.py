"""The receiver: accepts writes onto the queue and tells what became of them."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sangraha import messages
from sangraha.broker.protocol import Broker, Message
from sangraha.broker.topology import reply_queue_name
from sangraha.catalog.catalog import Catalog
from sangraha.ending import Ending
from sangraha.errors import (
    CatalogUnavailable,
    NotFound,
    OutcomeUnknown,
    UndecodableMessage,
)
from sangraha.ids import IdMint, made_at
from sangraha.messages import CreateObject, WriteOutcome, WriteReplies
from sangraha.replies import Replies
from sangraha.settings import Settings
from sangraha_receiver.outbox import Outbox
from sangraha_receiver.unconfirmed import Unconfirmed

logger = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.25
_CLOCK_SKEW: Final = timedelta(minutes=5)


class Receiver:
    """Takes writes in. Needs the broker to accept, and the catalog to tell outcomes."""

    def __init__(
        self,
        settings: Settings,
        broker: Broker,
        catalog: Catalog,
        mint: IdMint,
        *,
        ending: Ending,
        boot_id: str,
    ) -> None:
        self.settings = settings
        self.mint = mint
        self._broker = broker
        self._catalog = catalog
        self._ending = ending
        self._at_the_end: asyncio.Task[None] | None = None
        self._replies = Replies[WriteOutcome]()
        self._reply_queue = reply_queue_name("receiver", settings.replica, boot_id)
        self._outbox = Outbox(broker, self._reply_queue, settings.publish_timeout_seconds)
        self._unconfirmed = Unconfirmed(self._outbox)

    async def start(self) -> None:
        """Open the reply queue."""
        await self._broker.open_reply_queue(self._reply_queue, self._on_reply)
        self._at_the_end = asyncio.create_task(self._wake_at_the_end())

    async def stop(self) -> None:
        """Let go of what `start` began, and of what was never confirmed."""
        await self._unconfirmed.stop()
        if self._at_the_end is not None:
            self._at_the_end.cancel()
            await asyncio.gather(self._at_the_end, return_exceptions=True)

    async def check_broker(self) -> None:
        """Raises BrokerUnavailable unless the broker can be published to now."""
        await self._broker.wait_ready(0)

    async def submit(self, request: CreateObject, wait_seconds: float) -> WriteOutcome | None:
        """Accept the request and wait for its outcome; None if it takes longer than that.

        A reply is as good as a confirm, whichever comes first. Raises BrokerUnavailable,
        QueueFull or OutcomeUnknown where the request was not, or perhaps not, accepted.
        """
        with self._replies.expect(request.request_id) as reply:
            publishing = asyncio.create_task(self._outbox.publish(request))
            either: list[asyncio.Future[Any]] = [publishing, reply]
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if not _arrived(reply):
                    await self._confirmed(publishing, request)
                if wait_seconds <= 0:
                    return None
                if not self._ending.soon.is_set():
                    await asyncio.wait({reply}, timeout=wait_seconds)
                if _arrived(reply):
                    return reply.result()
            finally:
                await _forget(publishing)
        return await self._recorded(request.request_id)

    async def outcome(self, request_id: UUID, wait_seconds: float) -> WriteOutcome | None:
        """What became of a request; None while it is accepted and not done.

        Waits for an outcome for at most `wait_seconds`, or until this process ends. Raises
        NotFound for an id Sangraha did not give out, or one older than the longest life of a
        request, and CatalogUnavailable.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_seconds
        while True:
            outcome = await self._catalog.outcome(request_id)
            if outcome is not None:
                return outcome
            self._check_may_come(request_id)
            left = deadline - loop.time()
            if left <= 0 or self._ending.soon.is_set():
                return None
            await asyncio.sleep(min(_POLL_SECONDS, left))

    def _check_may_come(self, request_id: UUID) -> None:
        life = timedelta(seconds=self.settings.request_life_seconds)
        if self.mint.is_genuine(request_id):
            age = datetime.now(UTC) - made_at(request_id)
            if -_CLOCK_SKEW <= age <= life:
                return
        raise NotFound(f"there is no request {request_id}")

    async def _confirmed(self, publishing: "asyncio.Task[None]", request: CreateObject) -> None:
        try:
            await publishing
        except OutcomeUnknown as error:
            self._unconfirmed.keep(request)
            raise OutcomeUnknown(
                "the queue has not confirmed the request: it may have been accepted, and is sent "
                "to the queue again until it is; look at its status address before you send it "
                "again yourself",
                request_id=str(request.request_id),
                status_url=f"/requests/{request.request_id}",
            ) from error

    async def _recorded(self, request_id: UUID) -> WriteOutcome | None:
        """The outcome, should the reply have been lost on its way."""
        try:
            async with asyncio.timeout(1):
                return await self._catalog.outcome(request_id)
        except (CatalogUnavailable, TimeoutError):
            return None

    async def _wake_at_the_end(self) -> None:
        await self._ending.soon.wait()
        self._replies.give_up()

    def _on_reply(self, message: Message) -> None:
        try:
            group = messages.decode(WriteReplies, message.body)
        except UndecodableMessage as error:
            logger.error("dropped a reply: %s", error)
            return
        for outcome in group.outcomes:
            self._replies.arrived(outcome.request_id, outcome)


async def _forget(task: "asyncio.Task[None]") -> None:
    if not task.done():
        # The reply came first, so the request was accepted: its confirm tells nothing new.
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _arrived(reply: asyncio.Future[WriteOutcome]) -> bool:
    return reply.done() and not reply.cancelled()
