"""The sweep removes what nothing refers to, and never what anybody will still need: whatever the
order in which receivers, broker, workers, mailboxes, purges and sweeps go on, freeze and die.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from sangraha.catalog.catalog import DeadLetter
from sangraha.catalog.verdict import Entry, Expired, Swept
from sangraha.errors import InvalidConfiguration
from sangraha.messages import (
    CopyObject,
    DeleteBucket,
    DeleteName,
    DeleteObject,
    WriteOutcome,
    WriteRequest,
)
from sangraha.store.keys import EPOCH_KEY
from sangraha_orchestrator.sweep import Sweeper
from tests.property.sweep_world import (
    BUCKETS,
    LIFE,
    Process,
    World,
    claimed_key,
    requests_in,
)

T = TypeVar("T")

FAR = 100
STEPS = st.sampled_from([FAR] * 6 + [1, 2, 3, 4, 5])
WHICH = st.integers(0, 100)
HOURS = st.sampled_from([9 * 24, 9 * 24, 9 * 24, 2, 6 * 24])
CHANGES = ("copy", "copy", "delete", "delete", "delete name", "purge bucket", "make bucket")


class Interleavings(RuleBasedStateMachine):
    """Anybody begins something, or goes on with it for some steps; all must be well after each."""

    world: ClassVar[World]
    runner: ClassVar[asyncio.Runner]
    is_narrow: ClassVar[bool] = False
    """Whether only uploads, letters and sweeps are tried, and not how all ends."""

    def __init__(self) -> None:
        super().__init__()
        self.run(self.world.begin())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def advance(self, process: Process, steps: int) -> None:
        self.run(process.advance(steps))

    @rule(claimed=st.booleans(), bucket=st.sampled_from(BUCKETS), steps=STEPS)
    def upload(self, claimed: bool, bucket: str, steps: int) -> None:
        self.advance(self.world.upload(claimed=claimed, bucket=bucket), steps)

    @precondition(lambda self: self.world.queue)
    @rule(which=WHICH, steps=STEPS)
    def deliver(self, which: int, steps: int) -> None:
        self.advance(self.world.work(_one_of(self.world.queue, which)), steps)

    @precondition(lambda self: self.world.queue)
    @rule(which=WHICH)
    def give_up(self, which: int) -> None:
        self.world.give_up(_one_of(self.world.queue, which))

    @precondition(lambda self: self.world.dead_letter_queue)
    @rule(which=WHICH, steps=STEPS)
    def record(self, which: int, steps: int) -> None:
        self.advance(self.world.record(_one_of(self.world.dead_letter_queue, which)), steps)

    @precondition(lambda self: self.world.letters_kept)
    @rule(which=WHICH)
    def redrive(self, which: int) -> None:
        letter = _one_of(self.run(self.world.letters()), which)
        for request in requests_in(letter.body or b""):
            self.world.publish(request)

    @rule(steps=STEPS)
    def sweep(self, steps: int) -> None:
        self.advance(self.world.sweep(), steps)

    @precondition(lambda self: self.world.uploaded and not self.is_narrow)
    @rule(which=WHICH, kind=st.sampled_from(CHANGES), steps=STEPS)
    def change(self, which: int, kind: str, steps: int) -> None:
        request_id, bucket = self.world.new_id(), BUCKETS[1]
        object_id = _one_of(self.world.uploaded, which)
        changes: dict[str, WriteRequest] = {
            "copy": CopyObject(request_id=request_id, object_id=object_id, bucket=BUCKETS[0]),
            "delete": DeleteObject(request_id=request_id, object_id=object_id),
            "delete name": DeleteName(request_id=request_id, bucket=bucket, name="a"),
            "purge bucket": DeleteBucket(request_id=request_id, bucket=bucket, purge=True),
            "make bucket": self.world.new_bucket(),
        }
        self.world.publish(changes[kind])
        if kind == "copy":
            self.world.uploaded.append(request_id)
        if kind == "purge bucket":
            self.advance(self.world.purge(), steps)

    @precondition(lambda self: self.world.running)
    @rule(which=WHICH, steps=STEPS)
    def go_on(self, which: int, steps: int) -> None:
        self.advance(_one_of(self.world.running, which), steps)

    @precondition(lambda self: self.world.running and not self.is_narrow)
    @rule(which=WHICH)
    def kill(self, which: int) -> None:
        self.run(_one_of(self.world.running, which).kill())

    @rule(hours=HOURS)
    def pass_time(self, hours: int) -> None:
        self.world.clock.now += timedelta(hours=hours)

    @invariant()
    def all_is_well(self) -> None:
        assert wrongs(self.world) == []

    def teardown(self) -> None:
        if not self.is_narrow:
            self.run(settle(self.world))
            assert wrongs(self.world) == []
            assert self.run(leftovers(self.world)) == set()
            assert self.run(unreadable(self.world)) == []
        self.run(self.world.kill_all())


def _one_of(things: list[T], which: int) -> T:
    return things[which % len(things)]


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
        for request in requests_in(letter.body or b""):
            world.publish(request)
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


class Hasty(World):
    """A sweep that grants nothing the time it needs."""

    def sweeper(self, store: Any, catalog: Any) -> Sweeper:
        sweeper = super().sweeper(store, catalog)
        sweeper._grace = timedelta(0)
        return sweeper


class Forgetful(World):
    """Letters that pin nothing."""

    async def record_dead_letter(self, letter: DeadLetter) -> None:
        await super().record_dead_letter(msgspec.structs.replace(letter, body_keys=[]))


class Headlong(World):
    """A sweep that removes bodies before it condemns them."""

    def sweeper(self, store: Any, catalog: Any) -> Sweeper:
        class FirstRemoved:
            """The catalog as a sweep has it that knows best."""

            def __getattr__(self, name: str) -> Any:
                return getattr(catalog, name)

            async def condemn(self, keys: set[str]) -> set[str]:
                for key in sorted(keys):
                    await store.delete(key)
                await catalog.condemn(keys)
                return keys

        return super().sweeper(store, FirstRemoved())


class Heedless(World):
    """Commits that do not look whether a body is condemned."""

    async def commit(self, entries: Sequence[Entry]) -> list[WriteOutcome | Expired | Swept]:
        async with self.database.write() as connection:
            await connection.execute(text("UPDATE bodies SET condemned_at = NULL"))
        return await self.catalog.commit(entries)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    logging.disable(logging.CRITICAL)
    with asyncio.Runner() as runner:
        yield runner
    logging.disable(logging.NOTSET)


def explore(kind: type[World], runner: asyncio.Runner, folder: Path, examples: int) -> None:
    """Try so many ways in which things may go; those of a wrong world until one goes wrong."""
    world = kind(runner.get_loop(), folder)
    runner.run(world.start())
    fields = {"world": world, "runner": runner, "is_narrow": kind is not World}
    machine = type("Machine", (Interleavings,), fields)
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                print_blob=False,
                stateful_step_count=40,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                report_multiple_bugs=False,
            ),
        )
    finally:
        runner.run(world.close())


def test_nothing_that_is_needed_is_ever_swept_and_nothing_else_stays(
    runner: asyncio.Runner, tmp_path: Path
) -> None:
    explore(World, runner, tmp_path, examples=10)


@pytest.mark.parametrize("kind", [Hasty, Forgetful, Headlong, Heedless])
def test_what_would_be_wrong_is_found(
    kind: type[World], runner: asyncio.Runner, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match="is gone"):
        explore(kind, runner, tmp_path, examples=400)


def test_a_sweep_by_another_catalog_removes_nothing(runner: asyncio.Runner, tmp_path: Path) -> None:
    async def sweep_by_another() -> None:
        await world.begin()
        await world.store.put(f"default/objects/{world.new_id()}", b"of the first catalog")
        before = set(world.store.put_at)
        await another.start()
        world.clock.now += 10 * LIFE
        sweeper = world.sweeper(world.store, another.catalog)
        for refused in (sweeper.sweep(), sweeper.sweep(dry_run=True), sweeper.claim()):
            with pytest.raises(InvalidConfiguration, match="belongs to the catalog"):
                await refused
        assert set(world.store.put_at) == before
        assert (await world.sweeper(world.store, world.catalog).sweep()).orphan == 1

    (tmp_path / "another").mkdir()
    world = World(runner.get_loop(), tmp_path)
    another = World(runner.get_loop(), tmp_path / "another")
    runner.run(world.start())
    runner.run(sweep_by_another())
    for one in (world, another):
        runner.run(one.close())
