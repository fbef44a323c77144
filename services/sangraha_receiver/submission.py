"""Requests on their way: sent in groups, their outcomes awaited together."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from sangraha import messages
from sangraha.broker.protocol import Broker, Message
from sangraha.catalog.catalog import Catalog
from sangraha.ending import Ending
from sangraha.errors import (
    BrokerUnavailable,
    CatalogUnavailable,
    IdempotencyKeyReused,
    MessageTooLarge,
    OutcomeUnknown,
    QueueFull,
    UndecodableMessage,
)
from sangraha.ids import IdMint
from sangraha.messages import Dead, WriteGroup, WriteOutcome, WriteReplies, WriteRequest, goes_on
from sangraha.replies import Replies
from sangraha_receiver.group import group_of
from sangraha_receiver.idempotency import IdempotencyKey
from sangraha_receiver.outbox import Outbox
from sangraha_receiver.unconfirmed import Unconfirmed

logger = logging.getLogger(__name__)

NOTHING_SENT: Final = (BrokerUnavailable, QueueFull, MessageTooLarge)
_RECORDED_SECONDS: Final = 1.0

Discard = Callable[[Sequence[WriteRequest]], Awaitable[None]]
"""Removes what requests that were never sent have in the store."""


class Submissions:
    """Sends requests, and hears how they ended."""

    def __init__(
        self,
        broker: Broker,
        catalog: Catalog,
        mint: IdMint,
        discard: Discard,
        *,
        ending: Ending,
        reply_queue: str,
        publish_timeout_seconds: float,
    ) -> None:
        self._broker = broker
        self._reply_queue = reply_queue
        self._replies = Replies[WriteOutcome]()
        self._outbox = Outbox(broker, reply_queue, publish_timeout_seconds)
        self._unconfirmed = Unconfirmed(self._outbox)
        self._ways = _Ways(
            self._replies, self._outbox, self._unconfirmed, catalog, mint, discard, ending
        )
        self._at_the_end: asyncio.Task[None] | None = None

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

    @contextmanager
    def open(self, key: IdempotencyKey | None = None) -> Iterator["Submission"]:
        """A submission; outcomes are heard of for as long as the context lasts."""
        with ExitStack() as expecting:
            yield Submission(self._ways, expecting, key)

    async def _wake_at_the_end(self) -> None:
        await self._ways.ending.soon.wait()
        self._replies.give_up()

    def _on_reply(self, message: Message) -> None:
        try:
            group = messages.decode(WriteReplies, message.body)
        except UndecodableMessage as error:
            logger.error("dropped a reply: %s", error)
            return
        for outcome in group.outcomes:
            self._replies.arrived(outcome.request_id, outcome)


@dataclass(frozen=True, slots=True)
class _Ways:
    """What every submission uses."""

    replies: Replies[WriteOutcome]
    outbox: Outbox
    unconfirmed: Unconfirmed
    catalog: Catalog
    mint: IdMint
    discard: Discard
    ending: Ending


class Submission:
    """Some requests of one client, which may come with an idempotency key."""

    def __init__(self, ways: _Ways, expecting: ExitStack, key: IdempotencyKey | None) -> None:
        self._ways = ways
        self._expecting = expecting
        self._key = key
        self._replies: dict[UUID, asyncio.Future[WriteOutcome]] = {}
        self._ended_before: dict[UUID, WriteOutcome] = {}

    @property
    def is_replay(self) -> bool:
        """Whether all of it came with a key whose requests had come to their end before."""
        return bool(self._ended_before) and not self._replies

    async def reserve(
        self,
        requests: Sequence[WriteRequest],
        members: Sequence[int] = (0,),
        *,
        is_end: bool = True,
    ) -> list[WriteRequest]:
        """The requests as they are to be sent: with a key, under the ids of whoever came first
        with it. `members` and `is_end` are as IdempotencyKey.reservations has them.

        Raises IdempotencyKeyReused or CatalogUnavailable; what the requests have in the store is
        removed then.
        """
        if self._key is None:
            return list(requests)
        ways = self._ways
        try:
            ids = await ways.catalog.reserve(
                self._key.reservations(requests, members, is_end=is_end)
            )
            older = [
                request_id
                for request_id, request in zip(ids, requests, strict=True)
                if request_id != request.request_id
            ]
            found = await ways.catalog.outcomes(older) if older else {}
        except (IdempotencyKeyReused, CatalogUnavailable):
            await ways.discard(requests)
            raise
        reserved = [
            msgspec.structs.replace(request, request_id=request_id)
            for request_id, request in zip(ids, requests, strict=True)
        ]
        ended = {one: found[one] for one in found if not goes_on(found[one])}
        await ways.discard([request for request in reserved if request.request_id in ended])
        self._ended_before |= ended
        return reserved

    async def send(self, requests: Sequence[WriteRequest]) -> None:
        """Return once the broker has these requests as one group.

        A reply is as good as a confirm, whichever comes first. Those that had ended before they
        were reserved are not sent. Raises BrokerUnavailable, QueueFull or MessageTooLarge where
        nothing was sent, and what they have in the store is removed then; OutcomeUnknown where
        that is not certain.
        """
        ways = self._ways
        requests = [each for each in requests if each.request_id not in self._ended_before]
        if not requests:
            return
        group = group_of(requests, ways.mint.new())
        replies = {
            request.request_id: self._expecting.enter_context(
                ways.replies.expect(request.request_id)
            )
            for request in requests
        }
        self._replies |= replies
        first = replies[requests[0].request_id]
        publishing = asyncio.create_task(ways.outbox.publish(group))
        either: list[asyncio.Future[Any]] = [publishing, first]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            # With a key, the reply may be to another who sent the same: the worker removes the body
            # that is not used, so it has to hear of each.
            if self._key is not None or not _arrived(first):
                await publishing
        except NOTHING_SENT:
            for request_id in replies:
                del self._replies[request_id]
            await ways.discard(requests)
            raise
        except OutcomeUnknown as error:
            ways.unconfirmed.keep(group)
            if not _arrived(first):
                raise _unknown(group) from error
        finally:
            await _forget(publishing)

    async def outcomes(self, wait_seconds: float) -> dict[UUID, WriteOutcome]:
        """How the requests that were sent ended: those that did within that time."""
        if wait_seconds <= 0:
            return {}
        if self._replies and not self._ways.ending.soon.is_set():
            await asyncio.wait(self._replies.values(), timeout=wait_seconds)
        heard = {
            request_id: reply.result()
            for request_id, reply in self._replies.items()
            if _arrived(reply)
        }
        unheard = [each for each in self._replies if each not in heard]
        return self._ended_before | heard | await self._recorded(unheard)

    async def _recorded(self, request_ids: Sequence[UUID]) -> dict[UUID, WriteOutcome]:
        """The outcomes whose replies were lost on their way."""
        if not request_ids:
            return {}
        try:
            async with asyncio.timeout(_RECORDED_SECONDS):
                found = await self._ways.catalog.outcomes(request_ids)
        except (CatalogUnavailable, TimeoutError):
            return {}
        return {
            request_id: outcome
            for request_id, outcome in found.items()
            if not (isinstance(outcome, Dead) and outcome.is_redriven)
        }


def _unknown(group: WriteGroup) -> OutcomeUnknown:
    ids = [str(request.request_id) for request in group.requests]
    members: dict[str, Any] = (
        {"request_id": ids[0], "status_url": f"/requests/{ids[0]}"}
        if len(ids) == 1
        else {"request_ids": ids}
    )
    return OutcomeUnknown(
        "the queue has not confirmed the request: it may have been accepted, and is sent to the "
        "queue again until it is; look at its status address before you send it again yourself, or "
        "send it with the same Idempotency-Key, if it had one",
        **members,
    )


async def _forget(task: "asyncio.Task[None]") -> None:
    if not task.done():
        # The reply came first, so the request was accepted: its confirm tells nothing new.
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _arrived(reply: asyncio.Future[WriteOutcome]) -> bool:
    return reply.done() and not reply.cancelled()
