"""Moves messages between the queues in memory, the journal's writer and the consumers.

A message is handed over only once its delivery count is committed; it is confirmed only once it
is committed itself. Everything here runs on the event loop.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from sangraha.broker.journal.delivery import JournalDelivery
from sangraha.broker.journal.operations import (
    Count,
    Delete,
    Insert,
    Kept,
    Move,
    encode_fault,
    encode_properties,
)
from sangraha.broker.journal.queue_state import Entry, QueueState, Subscription, queue_states
from sangraha.broker.journal.recovery import recovered
from sangraha.broker.journal.writer import Ticket, Writer
from sangraha.broker.protocol import Fault, Message
from sangraha.broker.topology import Queue
from sangraha.errors import InvalidConfiguration

DEAD_LETTER_SECONDS: Final = 5.0
"""How long a dead letter waits for a disk that does not write."""

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Publication:
    """A message that is not committed yet; `recipient` gets it as soon as it is."""

    insert: Insert
    ticket: Ticket
    recipient: Subscription | None = None


class Dispatcher:
    """The queues of one journal."""

    def __init__(self, topology: Sequence[Queue], writer: Writer) -> None:
        self._queues = queue_states(topology)
        self._writer = writer
        self._publications: dict[int, Publication] = {}
        self._last_id = 0
        self._host = socket.gethostname()
        self.closed = False

    def queue(self, name: str) -> QueueState:
        """Raises InvalidConfiguration for a name outside the topology."""
        try:
            return self._queues[name]
        except KeyError:
            raise InvalidConfiguration(f"there is no queue named {name}") from None

    def recover(self, kept: Iterable[Kept]) -> None:
        """Take up what the file held; what was unsettled is ready again, in order."""
        now, unix_now = time.monotonic(), time.time()
        for each in kept:
            self._last_id = max(self._last_id, each.id, each.sequence)
            if (state := self._queues.get(each.queue)) is None:
                log.warning("message %d stays in %s, a queue unknown here", each.id, each.queue)
                continue
            entry = recovered(each, now - unix_now)
            if self._is_over_limit(state, entry):
                self._move(state, entry, self._limit_fault(state, entry))
            else:
                state.restore(entry)
        for state in self._queues.values():
            self.dispatch(state)

    def publish_transient(self, state: QueueState, message: Message) -> None:
        """Add the message, in memory only. Raises QueueFull."""
        self._admit(state, message)
        self.dispatch(state)

    async def publish(self, state: QueueState, message: Message, timeout_seconds: float) -> None:
        """Add the message; return once it is committed.

        Raises QueueFull, BrokerUnavailable or OutcomeUnknown.
        """
        properties = encode_properties(message, time.time())
        entry = self._admit(state, message)
        insert = Insert(entry.id, state.queue.name, 0, properties, message.body)
        ticket = self._writer.submit(insert, lambda _: self._inserted(state, entry))
        self._publications[entry.id] = Publication(insert, ticket)
        self.dispatch(state)
        try:
            await self._writer.wait(ticket, timeout_seconds)
        finally:
            if ticket.withdrawn and self._publications.pop(entry.id, None) is not None:
                state.withdraw(entry)
                self.dispatch(state)

    def dispatch(self, state: QueueState) -> None:
        """Hand out what consumers have room for."""
        if self.closed:
            return
        assigned, expired = state.assign(time.monotonic())
        if state.queue.replicated:
            self._drop(expired)
            for subscription, entry in assigned:
                self._count(state, subscription, entry)
        else:
            loop = asyncio.get_running_loop()
            for subscription, entry in assigned:
                loop.call_soon(self._hand_over, state, subscription, entry)

    def subscribe(self, state: QueueState, subscription: Subscription) -> None:
        state.subscribe(subscription)
        self.dispatch(state)

    def cancel(self, state: QueueState, subscription: Subscription) -> None:
        """No more for this consumer."""
        state.cancel(subscription)

    def ack(self, delivery: JournalDelivery) -> None:
        """The message leaves its queue."""
        if self.closed:
            return
        delivery.settled = True
        delivery.state.settle(delivery.entry)
        if delivery.state.queue.replicated:
            self._writer.submit(Delete(delivery.entry.id), _nothing_more)
        self.dispatch(delivery.state)

    def release(self, delivery: JournalDelivery) -> None:
        """The message waits again, or moves on where it came back too often."""
        if self.closed:
            return
        delivery.settled = True
        state, entry = delivery.state, delivery.entry
        if self._is_over_limit(state, entry):
            self._move(state, entry, self._limit_fault(state, entry))
        else:
            self._give_back(state, entry)

    async def dead_letter(self, delivery: JournalDelivery, fault: Fault) -> None:
        """The message moves; see JournalDelivery.dead_letter."""
        if self.closed:
            return
        state = delivery.state
        if state.queue.dead_letters_to is None:
            raise InvalidConfiguration(f"{state.queue.name} has no dead-letter queue")
        delivery.settled = True
        ticket = self._move(state, delivery.entry, fault.cut())
        try:
            await self._writer.wait(ticket, DEAD_LETTER_SECONDS)
        finally:
            delivery.settled = not ticket.withdrawn

    def _admit(self, state: QueueState, message: Message) -> Entry:
        now = time.monotonic()
        expired = state.expire(now)
        if state.queue.replicated:
            self._drop(expired)
        expires = message.expires_in_seconds
        entry = Entry(
            id=self._last_id + 1,
            sequence=self._last_id + 1,
            message=message,
            size=len(message.body),
            expires_at=None if expires is None else now + expires,
        )
        state.admit(entry)
        self._last_id += 1
        return entry

    def _drop(self, expired: Iterable[Entry]) -> None:
        for entry in expired:
            self._publications.pop(entry.id, None)
            self._writer.submit(Delete(entry.id), _nothing_more)

    def _inserted(self, state: QueueState, entry: Entry) -> None:
        publication = self._publications.pop(entry.id, None)
        if publication is None:
            return  # expired meanwhile
        if publication.recipient is None:
            state.spill(entry)
        else:
            self._counted(state, publication.recipient, entry, None)

    def _count(self, state: QueueState, subscription: Subscription, entry: Entry) -> None:
        publication = self._publications.get(entry.id)
        if publication is not None and publication.ticket.waiting:
            publication.insert.deliveries = entry.deliveries
            publication.recipient = subscription
        else:
            self._writer.submit(
                Count(entry.id, entry.deliveries, read_body=not entry.resident),
                partial(self._counted, state, subscription, entry),
            )

    def _counted(
        self, state: QueueState, subscription: Subscription, entry: Entry, body: bytes | None
    ) -> None:
        if body is not None:
            entry.message = replace(entry.message, body=body)
            entry.resident = True
        # Not called from here: a handler that fails must not fail the writer with it.
        asyncio.get_running_loop().call_soon(self._hand_over, state, subscription, entry)

    def _hand_over(self, state: QueueState, subscription: Subscription, entry: Entry) -> None:
        # A delivery may have been counted for a message whose publishing then failed.
        if self.closed or entry.withdrawn:
            return
        if subscription.cancelled:
            # It was never handed out; the next count that is written says so.
            entry.deliveries -= 1
            self._give_back(state, entry)
            return
        subscription.handler(JournalDelivery(self, state, entry))

    def _give_back(self, state: QueueState, entry: Entry) -> None:
        state.give_back(entry)
        if state.queue.replicated:
            state.spill(entry)
        self.dispatch(state)

    def _move(self, state: QueueState, entry: Entry, fault: Fault) -> Ticket:
        """Move a message that is out, or was never taken up, to the dead-letter queue.

        The target's limits do not count: what moves was on this disk before.
        """
        target = self._queues[state.queue.dead_letters_to or ""]
        self._last_id += 1
        move = Move(entry.id, target.queue.name, self._last_id, encode_fault(fault))
        return self._writer.submit(move, partial(self._moved, state, target, entry, move, fault))

    def _moved(
        self,
        state: QueueState,
        target: QueueState,
        entry: Entry,
        move: Move,
        fault: Fault,
        _: bytes | None,
    ) -> None:
        if state.is_out(entry):
            state.settle(entry)
        entry.sequence, entry.deliveries, entry.fault = move.sequence, 0, fault
        target.restore(entry)
        target.spill(entry)
        self.dispatch(state)
        self.dispatch(target)

    def _is_over_limit(self, state: QueueState, entry: Entry) -> bool:
        limit = state.queue.delivery_limit
        return (
            limit is not None
            and entry.deliveries > limit
            and state.queue.dead_letters_to is not None
        )

    def _limit_fault(self, state: QueueState, entry: Entry) -> Fault:
        return Fault(
            error="delivery-limit",
            message=f"{state.queue.name} handed it out {entry.deliveries} times,"
            " and it was never settled",
            attempts=entry.deliveries,
            host=self._host,
            failed_at=datetime.now(UTC),
        )


def _nothing_more(_: bytes | None) -> None:
    pass
