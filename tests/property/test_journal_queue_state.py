"""Whatever is done to a queue in memory: nothing is lost or doubled, order and limits hold."""

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from sangraha.broker.journal.queue_state import Entry, QueueState, Subscription
from sangraha.broker.protocol import Delivery, Message
from sangraha.broker.topology import Queue
from sangraha.errors import QueueFull

LIMIT, BYTE_LIMIT = 6, 100


def ignore(delivery: Delivery) -> None:
    """A handler that is never called: the queue in memory calls nobody."""


class QueueMachine(RuleBasedStateMachine):
    """A queue beside the simplest model of one: who waits, by sequence, and who is out."""

    subscriptions = Bundle("subscriptions")
    out = Bundle("out")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.last_id = 0
        self.waiting: dict[int, Entry] = {}
        self.held: dict[int, tuple[Entry, Subscription]] = {}
        self.turns: list[Subscription] = []

    @initialize(resident_limit=st.integers(0, BYTE_LIMIT))
    def make(self, resident_limit: int) -> None:
        queue = Queue("q", replicated=True, max_length=LIMIT, max_length_bytes=BYTE_LIMIT)
        self.state = QueueState(queue, resident_limit=resident_limit)

    @rule(size=st.integers(0, 60), lives=st.none() | st.integers(1, 5), confirmed=st.booleans())
    def publish(self, size: int, lives: int | None, confirmed: bool) -> None:
        everything = [*self.waiting.values(), *(entry for entry, _ in self.held.values())]
        fits = (
            len(everything) < LIMIT and sum(entry.size for entry in everything) + size <= BYTE_LIMIT
        )
        self.last_id += 1
        entry = Entry(
            id=self.last_id,
            sequence=self.last_id,
            message=Message(body=bytes(size), message_id=str(self.last_id)),
            size=size,
            expires_at=None if lives is None else self.now + lives,
        )
        try:
            self.state.admit(entry)
        except QueueFull:
            assert not fits
            return
        assert fits
        self.waiting[entry.id] = entry
        if confirmed:
            self.state.spill(entry)

    @rule(target=subscriptions, prefetch=st.integers(1, 3))
    def subscribe(self, prefetch: int) -> Subscription:
        subscription = Subscription(ignore, prefetch)
        self.state.subscribe(subscription)
        self.turns.append(subscription)
        return subscription

    @rule(subscription=subscriptions)
    def cancel(self, subscription: Subscription) -> None:
        self.state.cancel(subscription)
        self.turns = [each for each in self.turns if each is not subscription]

    @rule(target=out)
    def assign(self):  # type: ignore[no-untyped-def]  # `multiple` has a type without a name
        room = sum(each.prefetch - each.held for each in self.turns)
        alive = [each for _, each in sorted(self.waiting.items()) if not each.is_expired(self.now)]
        before = {entry.id: entry.deliveries for entry in alive}

        assigned, expired = self.state.assign(self.now)

        assert all(entry.is_expired(self.now) for entry in expired)
        assert [entry for _, entry in assigned] == alive[:room]
        for entry in expired:
            del self.waiting[entry.id]
        for subscription, entry in assigned:
            assert entry.deliveries == before[entry.id] + 1
            assert not subscription.cancelled
            assert len(entry.message.body) == (entry.size if entry.resident else 0)
            del self.waiting[entry.id]
            self.held[entry.id] = (entry, subscription)
            # What is handed out has its body, read again where it was on disk only.
            entry.message = replace(entry.message, body=bytes(entry.size))
            entry.resident = True
        return multiple(*(entry for _, entry in assigned))

    @rule(entry=consumes(out))
    def settle(self, entry: Entry) -> None:
        if entry.id in self.held:
            self.state.settle(entry)
            del self.held[entry.id]

    @rule(entry=consumes(out), spill=st.booleans())
    def give_back(self, entry: Entry, spill: bool) -> None:
        if entry.id in self.held:
            self.state.give_back(entry)
            del self.held[entry.id]
            self.waiting[entry.id] = entry
            if spill:
                self.state.spill(entry)

    @precondition(lambda self: self.waiting or self.held)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        fresh = [entry for entry in self.waiting.values() if entry.deliveries == 0]
        first_out = [entry for entry, _ in self.held.values() if entry.deliveries == 1]
        if not fresh + first_out:
            return
        entry = data.draw(st.sampled_from(fresh + first_out))
        self.state.withdraw(entry)
        self.waiting.pop(entry.id, None)
        self.held.pop(entry.id, None)

    @rule(seconds=st.integers(1, 3))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def counts_are_right(self) -> None:
        if not hasattr(self, "state"):
            return
        everything = [*self.waiting.values(), *(entry for entry, _ in self.held.values())]
        assert self.state.depth == len(self.waiting)
        assert self.state.length == len(everything)
        assert self.state.length_bytes == sum(entry.size for entry in everything)
        assert self.state.resident_bytes == sum(
            entry.size for entry in self.waiting.values() if entry.resident
        )
        for subscription in self.turns:
            held = [each for _, each in self.held.values() if each is subscription]
            assert subscription.held == len(held) <= subscription.prefetch


TestQueueState = QueueMachine.TestCase
