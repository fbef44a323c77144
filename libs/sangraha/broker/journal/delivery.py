"""What a consumer of the journal is handed: the delivery to settle, and the consumer to cancel."""

from typing import Protocol

from sangraha.broker.journal.queue_state import Entry, QueueState, Subscription
from sangraha.broker.protocol import Fault, Message


class Settler(Protocol):
    """Who carries out what a delivery or a consumer is told."""

    @property
    def closed(self) -> bool:
        """Whether nothing is carried out any more."""

    def ack(self, delivery: "JournalDelivery") -> None: ...

    def release(self, delivery: "JournalDelivery") -> None: ...

    async def dead_letter(self, delivery: "JournalDelivery", fault: Fault) -> None: ...

    def cancel(self, state: QueueState, subscription: Subscription) -> None: ...


class JournalDelivery:
    """One handing out of a message. What it shows stays as it was; the entry goes on living."""

    __slots__ = ("_settler", "entry", "fault", "message", "redeliveries", "settled", "state")

    def __init__(self, settler: Settler, state: QueueState, entry: Entry) -> None:
        self._settler = settler
        self.state = state
        self.entry = entry
        self.settled = False
        self.message: Message = entry.message
        self.redeliveries: int = entry.deliveries - 1
        self.fault: Fault | None = entry.fault

    @property
    def lost(self) -> bool:
        """Whether the broker was closed before this was settled."""
        return not self.settled and self._settler.closed

    async def ack(self) -> None:
        """Returns at once; the removal is committed with the next transaction."""
        if not self.settled:
            self._settler.ack(self)

    async def release(self) -> None:
        """Returns at once. Past the delivery limit the message becomes a dead letter."""
        if not self.settled:
            self._settler.release(self)

    async def dead_letter(self, fault: Fault) -> None:
        """Returns once the move is committed.

        Raises BrokerUnavailable where it was not and will not be, OutcomeUnknown where the disk
        does not answer (then the move goes on and this is settled), InvalidConfiguration where
        the queue has no dead-letter queue.
        """
        if not self.settled:
            await self._settler.dead_letter(self, fault)


class JournalConsumer:
    """A subscription to one queue."""

    def __init__(self, settler: Settler, state: QueueState, subscription: Subscription) -> None:
        self._settler = settler
        self._state = state
        self._subscription = subscription

    async def cancel(self) -> None:
        """No further deliveries; what was delivered may still be settled."""
        self._settler.cancel(self._state, self._subscription)
