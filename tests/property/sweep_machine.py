"""Receivers, workers, mailboxes, purges and sweeps of a world as one state machine: whoever it is,
begins something or goes on with it for some steps, and after each all must be well.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sangraha.messages import CopyObject, DeleteBucket, DeleteName, DeleteObject
from sangraha.store.keys import EPOCH_KEY
from tests.property.sweep_processes import Process
from tests.property.sweep_world import BUCKETS, LIFE, World, claimed_key, requests_in

T = TypeVar("T")

FAR = 100
STEPS = st.sampled_from([FAR, FAR, FAR, FAR, FAR, 1, 2, 3, 3, 4])
WHICH = st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5])
FEW = ("upload", "deliver", "deliver", "redrive", "sweep", "sweep", "go_on", "go_on", "wait_days")
MANY = (
    *FEW,
    "upload",
    "upload_inline",
    "upload_version",
    "deliver",
    "give_up",
    "record",
    "delete_letter",
    "copy",
    "delete",
    "delete_name",
    "make_bucket",
    "purge_bucket",
    "wait_hours",
    "kill",
)


class Interleavings(RuleBasedStateMachine):
    """What may happen. What cannot happen just then, does not."""

    world: ClassVar[World]
    runner: ClassVar[asyncio.Runner]
    is_seen_out: ClassVar[bool]
    """Whether it is also looked at how all ends."""

    def __init__(self) -> None:
        super().__init__()
        self.run(self.world.begin())

    @initialize(bodies=st.integers(0, 3))
    def begin_late(self, bodies: int) -> None:
        """Of what was sent nine days ago nothing was done yet."""
        for _ in range(bodies):
            self.upload(0, FAR)
        if bodies:
            self.wait_days(0, 0)

    def upload(self, _: int, steps: int) -> None:
        self.advance(self.world.upload(claimed=True, bucket=BUCKETS[0]), steps)

    def upload_inline(self, _: int, steps: int) -> None:
        self.advance(self.world.upload(claimed=False, bucket=BUCKETS[0]), steps)

    def upload_version(self, _: int, steps: int) -> None:
        self.advance(self.world.upload(claimed=True, bucket=BUCKETS[1]), steps)

    def deliver(self, which: int, steps: int) -> None:
        for message in some(self.world.queue, which):
            self.advance(self.world.work(message), steps)

    def give_up(self, which: int, _: int) -> None:
        for message in some(self.world.queue, which):
            self.world.give_up(message)

    def record(self, which: int, steps: int) -> None:
        for message in some(self.world.dead_letter_queue, which):
            self.advance(self.world.record(message), steps)

    def redrive(self, which: int, steps: int) -> None:
        for letter in some(self.run(self.world.letters()), which):
            self.advance(self.world.redrive(letter), steps)

    def delete_letter(self, which: int, _: int) -> None:
        for letter in some(self.run(self.world.letters()), which):
            self.run(self.world.delete_letter(letter))

    def sweep(self, _: int, steps: int) -> None:
        self.advance(self.world.sweep(), steps)

    def copy(self, which: int, _: int) -> None:
        for object_id in some(self.world.uploaded, which):
            request_id = self.world.new_id()
            self.world.uploaded.append(request_id)
            self.world.publish(
                CopyObject(request_id=request_id, object_id=object_id, bucket=BUCKETS[0])
            )

    def delete(self, which: int, _: int) -> None:
        for object_id in some(self.world.uploaded, which):
            self.world.publish(DeleteObject(request_id=self.world.new_id(), object_id=object_id))

    def delete_name(self, _: int, __: int) -> None:
        self.world.publish(DeleteName(request_id=self.world.new_id(), bucket=BUCKETS[1], name="a"))

    def make_bucket(self, _: int, __: int) -> None:
        self.world.publish(self.world.new_bucket())

    def purge_bucket(self, _: int, steps: int) -> None:
        request_id = self.world.new_id()
        self.world.publish(DeleteBucket(request_id=request_id, bucket=BUCKETS[1], purge=True))
        self.advance(self.world.purge(), steps)

    def go_on(self, which: int, steps: int) -> None:
        for process in some(self.world.running, which):
            self.advance(process, steps)

    def kill(self, which: int, _: int) -> None:
        for process in some(self.world.running, which):
            self.run(process.kill())

    def wait_hours(self, _: int, __: int) -> None:
        self.world.clock.now += timedelta(hours=2)

    def wait_days(self, _: int, __: int) -> None:
        self.world.clock.now += timedelta(days=9)

    @invariant()
    def all_is_well(self) -> None:
        found = wrongs(self.world)
        assert not found, "; ".join(found)

    def teardown(self) -> None:
        if self.is_seen_out:
            self.run(settle(self.world))
            self.all_is_well()
            left = self.run(leftovers(self.world))
            assert not left, f"nothing refers to {left}, and it stays"
            damaged = self.run(unreadable(self.world))
            assert not damaged, f"{damaged} have other bytes than were sent"
        self.run(self.world.kill_all())

    def advance(self, process: Process, steps: int) -> None:
        self.run(process.advance(steps))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)


def machine(
    in_world: World, by: asyncio.Runner, of_these: Sequence[str], *, seen_out: bool
) -> type[Interleavings]:
    """The machine in which these things happen, each as often as it is named."""

    class Machine(Interleavings):
        world = in_world
        runner = by
        is_seen_out = seen_out

        # One rule, and not one for each: hypothesis leaves some rules out in every run.
        @rule(what=st.sampled_from(of_these), which=WHICH, steps=STEPS)
        def happens(self, what: str, which: int, steps: int) -> None:
            getattr(self, what)(which, steps)

    return Machine


def some(things: Sequence[T], which: int) -> list[T]:
    """One of them, if there is any."""
    return [things[which % len(things)]] if things else []


def wrongs(world: World) -> list[str]:
    """Everything that is not as it must be at any time."""
    found = [
        f"the body of the object {object_id} is gone"
        for object_id, _, key, condemned_at in world.live_objects()
        if key not in world.store.put_at or condemned_at is not None
    ]
    needed = {
        request.request_id: key
        for message in (*world.queue, *world.dead_letter_queue)
        for request in requests_in(message.body)
        if (key := claimed_key(request)) is not None and world.is_young(request)
    }
    intact, settled = world.intact(), world.settled()
    for request_id, key in {**needed, **world.promised}.items():
        if request_id not in settled and key not in intact:
            found.append(f"the body of the request {request_id} is gone before it was done")
    return found


async def unreadable(world: World) -> list[str]:
    """The objects that do not have the bytes that were sent."""
    return [
        object_id
        for object_id, sha256, key, _ in world.live_objects()
        if await world.store.get(str(key)) != world.bodies[sha256]
    ]


async def settle(world: World) -> None:
    """Let everybody finish, do what is in the queues, then what is in the letters, then purge."""
    await drain(world)
    for letter in await world.letters():
        world.redrive(letter)
    await drain(world)
    world.purge()
    await drain(world)
    assert set(world.promised) <= world.settled()


async def drain(world: World) -> None:
    while world.running or world.queue or world.dead_letter_queue:
        for process in world.running:
            await process.finish()
        for message in world.queue[:1]:
            world.work(message)
        for message in world.dead_letter_queue[:1]:
            world.record(message)


async def leftovers(world: World) -> set[str]:
    """What a sweep leaves, once all is quiet and old, although nothing refers to it."""
    world.clock.now += LIFE + timedelta(days=2)
    world.sweep()
    await drain(world)
    return set(world.store.put_at) - world.referred_to() - {EPOCH_KEY}
