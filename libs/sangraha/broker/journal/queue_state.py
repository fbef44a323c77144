"""One queue as it is in memory: what waits, what is out with whom, and what fits.

Decisions only. It reads no clock, writes nothing and calls nobody; journal/dispatcher.py does.
"""

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sangraha.broker.protocol import Delivery, Fault, Message
from sangraha.broker.topology import MIB, Queue
from sangraha.errors import InvalidConfiguration, QueueFull

RESIDENT_BYTES: Final = 64 * MIB
"""Bodies of waiting messages beyond this stay on disk until they are delivered."""


@dataclass(slots=True, eq=False)
class Entry:
    """A message in a queue. `sequence` is its place; `deliveries` how often it was handed out.

    A body that is not `resident` is on disk only. `expires_at` is on the caller's clock.
    """

    id: int
    sequence: int
    message: Message
    size: int
    deliveries: int = 0
    fault: Fault | None = None
    expires_at: float | None = None
    resident: bool = True
    withdrawn: bool = False

    def __lt__(self, other: "Entry") -> bool:
        return self.sequence < other.sequence

    def is_expired(self, now: float) -> bool:
        return self.expires_at is not None and self.expires_at <= now


@dataclass(slots=True, eq=False)
class Subscription:
    """A consumer: at most `prefetch` messages are `held` by it."""

    handler: Callable[[Delivery], None]
    prefetch: int
    held: int = 0
    cancelled: bool = False


@dataclass(slots=True)
class QueueState:
    """The queue. Messages leave in the order of their sequence, those given back first.

    `length` and `length_bytes` count everything that is in the queue, handed out or not.
    """

    queue: Queue
    length: int = 0
    length_bytes: int = 0
    resident_bytes: int = 0
    resident_limit: int = RESIDENT_BYTES
    _fresh: deque[Entry] = field(default_factory=deque)
    _returned: list[Entry] = field(default_factory=list)
    _out: dict[int, Subscription] = field(default_factory=dict)
    _turns: deque[Subscription] = field(default_factory=deque)

    @property
    def depth(self) -> int:
        """How many messages wait."""
        return self.length - len(self._out)

    def admit(self, entry: Entry) -> None:
        """Add a published message. Raises QueueFull."""
        limits = self.queue
        if self.length >= limits.max_length:
            raise QueueFull(f"{limits.name} holds {self.length} messages")
        if self.length_bytes + entry.size > limits.max_length_bytes:
            raise QueueFull(f"{limits.name} holds {self.length_bytes} bytes")
        self.restore(entry)

    def is_out(self, entry: Entry) -> bool:
        return entry.id in self._out

    def restore(self, entry: Entry) -> None:
        """Add a message that was in a queue before; it is never refused. It goes last."""
        self.length += 1
        self.length_bytes += entry.size
        self._fresh.append(entry)
        self._count_resident(entry, +1)

    def subscribe(self, subscription: Subscription) -> None:
        self._turns.append(subscription)

    def cancel(self, subscription: Subscription) -> None:
        """No more for this consumer; what it holds stays with it."""
        if not subscription.cancelled:
            subscription.cancelled = True
            self._turns.remove(subscription)

    def expire(self, now: float) -> list[Entry]:
        """Remove and return the messages at the head that are past their deadline."""
        expired = []
        while (head := self._head()) is not None and head.is_expired(now):
            self._pop()
            self._forget(head)
            expired.append(head)
        return expired

    def assign(self, now: float) -> tuple[list[tuple[Subscription, Entry]], list[Entry]]:
        """Hand out what can be handed out: who gets what, and what turned out to be expired.

        Consumers with room take turns. Each handed out message has one delivery more.
        """
        assigned = []
        expired = []
        while self._head() is not None and (subscription := self._next_with_room()) is not None:
            expired += self.expire(now)
            if self._head() is None:
                break
            entry = self._pop()
            entry.deliveries += 1
            subscription.held += 1
            self._out[entry.id] = subscription
            assigned.append((subscription, entry))
        return assigned, expired

    def settle(self, entry: Entry) -> None:
        """A message that is out leaves the queue."""
        self._out.pop(entry.id).held -= 1
        self._forget(entry)

    def give_back(self, entry: Entry) -> None:
        """A message that is out waits again, in its old place."""
        self._out.pop(entry.id).held -= 1
        heapq.heappush(self._returned, entry)
        self._count_resident(entry, +1)

    def withdraw(self, entry: Entry) -> None:
        """A message that was never confirmed leaves the queue, wherever it is."""
        if (subscription := self._out.pop(entry.id, None)) is not None:
            subscription.held -= 1
        else:
            self._count_resident(entry, -1)
        entry.withdrawn = True
        entry.resident = False
        entry.message = replace(entry.message, body=b"")
        self._forget(entry)
        while self._fresh and self._fresh[-1].withdrawn:
            self._fresh.pop()

    def spill(self, entry: Entry) -> None:
        """Let go of a body that is safe on disk, where too many are in memory already."""
        if entry.id in self._out or not entry.resident:
            return
        if self.resident_bytes > self.resident_limit:
            self._count_resident(entry, -1)
            entry.resident = False
            entry.message = replace(entry.message, body=b"")

    def _head(self) -> Entry | None:
        if self._returned:
            return self._returned[0]
        while self._fresh and self._fresh[0].withdrawn:
            self._fresh.popleft()
        return self._fresh[0] if self._fresh else None

    def _pop(self) -> Entry:
        entry = heapq.heappop(self._returned) if self._returned else self._fresh.popleft()
        self._count_resident(entry, -1)
        return entry

    def _next_with_room(self) -> Subscription | None:
        for _ in range(len(self._turns)):
            subscription = self._turns[0]
            self._turns.rotate(-1)
            if subscription.held < subscription.prefetch:
                return subscription
        return None

    def _forget(self, entry: Entry) -> None:
        self.length -= 1
        self.length_bytes -= entry.size

    def _count_resident(self, entry: Entry, sign: int) -> None:
        if entry.resident:
            self.resident_bytes += sign * entry.size


def queue_states(topology: Sequence[Queue]) -> dict[str, QueueState]:
    """Empty queues by name. Raises InvalidConfiguration for a topology that contradicts itself."""
    queues = {queue.name: queue for queue in topology}
    for queue in topology:
        if queue.dead_letters_to is None:
            continue
        target = queues.get(queue.dead_letters_to)
        if target is None:
            raise InvalidConfiguration(
                f"{queue.name} dead-letters to {queue.dead_letters_to}, which is no queue"
            )
        if not (queue.replicated and target.replicated):
            raise InvalidConfiguration(f"{queue.name} and {target.name} must both be replicated")
    return {name: QueueState(queue) for name, queue in queues.items()}
