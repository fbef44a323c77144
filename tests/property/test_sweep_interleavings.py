"""The sweep removes what nothing refers to, and never what anybody will still need: whatever the
order in which receivers, broker, workers, mailboxes, purges and sweeps go on, freeze and die.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
import uvloop
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import text

from sangraha.catalog.catalog import DeadLetter
from sangraha.catalog.verdict import Entry, Expired, Swept
from sangraha.errors import InvalidConfiguration
from sangraha.messages import WriteOutcome
from sangraha_orchestrator.sweep import Sweeper
from tests.property.sweep_machine import FEW, MANY, machine
from tests.property.sweep_world import LIFE, World


class Hasty(World):
    """A sweep to which everything is old."""

    def sweeper(self, store: Any, catalog: Any) -> Sweeper:
        sweeper = super().sweeper(store, catalog)
        sweeper._grace = -timedelta(seconds=1)
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


class Rash(World):
    """Redriven letters that pin nothing any more."""

    async def note_redriven(self, letter_id: UUID) -> datetime | None:
        async with self.database.write() as connection:
            await connection.execute(text("DELETE FROM dead_letter_bodies"))
        return await super().note_redriven(letter_id)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    logging.disable(logging.CRITICAL)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner
    logging.disable(logging.NOTSET)


def explore(
    world: World, runner: asyncio.Runner, of_these: Sequence[str], *, examples: int, steps: int
) -> None:
    """Try so many ways in which things may go, of so many steps each."""
    try:
        runner.run(world.start())
        run_state_machine_as_test(
            machine(world, runner, of_these, seen_out=of_these is MANY),
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                derandomize=True,
                database=None,
                print_blob=False,
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
    explore(World(runner.get_loop(), tmp_path), runner, MANY, examples=35, steps=40)


@pytest.mark.parametrize("kind", [Hasty, Forgetful, Headlong, Heedless, Rash])
def test_what_would_be_wrong_is_found(
    kind: type[World], runner: asyncio.Runner, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match="is gone"):
        explore(kind(runner.get_loop(), tmp_path), runner, FEW, examples=500, steps=12)


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
