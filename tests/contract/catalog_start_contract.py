"""Starting: migrations that run by themselves, once, whoever comes first."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence

import msgspec
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, MetaData, Table, text
from sqlalchemy.exc import DBAPIError

from sangraha.catalog.catalog import Catalog, DeadLetter, LetterFilter, NewObject
from sangraha.catalog.columns import DatabaseClock
from sangraha.catalog.database import Database
from sangraha.catalog.rows import json_of
from sangraha.catalog.schema import configuration
from sangraha.catalog.tables import bodies, dead_letters, metadata, objects, outcomes
from sangraha.errors import InvalidConfiguration
from sangraha.messages import DeleteObject, Done, Rejected
from tests.contract.catalog_samples import MINT, dead_letter, new_object, rejected
from tests.contract.catalog_suite import (
    LIFE_SECONDS,
    CatalogSuite,
    at_name,
    count,
    done,
    located,
    numbers,
)

START = """
import asyncio, sys
from sangraha.catalog.catalog import Catalog

async def main():
    catalog = Catalog(sys.argv[1], request_life_seconds=60)
    print("ready", flush=True)
    sys.stdin.readline()
    await catalog.start()
    await catalog.check()
    await catalog.close()

asyncio.run(main())
"""


async def make_first_schema(database: Database) -> None:
    """The tables as the first migration makes them."""
    config = configuration()

    def upgrade(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")

    async with database.opening(), database.write() as connection:
        await connection.run_sync(upgrade)


async def insert_letter_as_before(database: Database, letter: DeadLetter) -> None:
    """The letter as it was kept in the first schema."""
    fields = json_of(letter)
    row = {name: getattr(letter, name) for name in ("letter_id", "recorded_at", "body")}
    row |= {
        name: fields[name]
        for name in ("message_id", "queue", "request_ids", "fault", "headers", "body_size")
    }
    # The table with its later columns would give them their defaults.
    before = Table(
        "dead_letters", MetaData(), *(Column(name, dead_letters.c[name].type) for name in row)
    )
    async with database.write() as connection:
        await connection.execute(before.insert().values(row))


async def insert_as_before(
    database: Database, news: Sequence[NewObject], refusals: Sequence[Rejected], gone: NewObject
) -> None:
    """Objects and refusals as they were kept in the first schema; one of the objects is gone."""
    async with database.write() as connection:
        for new in news:
            body = {"key": new.location.key, "size": 120, "state": "live"}
            added = bodies.insert().values(**body, created_at=DatabaseClock())
            row = {
                **msgspec.structs.asdict(new.object),
                "body_id": await connection.scalar(added.returning(bodies.c.id)),
                "body_offset": 0,
                "body_length": 120,
                "revision": 1,
                "state": "deleted" if new is gone else "live",
            }
            del row["content_encoding"]
            await connection.execute(objects.insert().values(row))
        for refusal in refusals:
            row = {
                "request_id": refusal.request_id,
                "operation": "create",
                "state": "rejected",
                "problem": json_of(refusal.problem),
            }
            await connection.execute(outcomes.insert().values(**row, completed_at=DatabaseClock()))


class StartContract(CatalogSuite):
    """Any number of replicas may start on an empty database."""

    async def test_replicas_that_start_at_once_migrate_once(
        self, catalog_url: str, database: Database
    ) -> None:
        replicas = [Catalog(catalog_url, request_life_seconds=LIFE_SECONDS) for _ in range(5)]
        await asyncio.gather(*(replica.start() for replica in replicas))
        for replica in replicas:
            await replica.commit([new_object()])
            await replica.close()
        assert await count(database, "alembic_version") == 1
        assert await count(database, "buckets") == 1
        assert await count(database, "objects") == 5

    async def test_processes_that_start_at_once_migrate_once(
        self, catalog_url: str, database: Database
    ) -> None:
        command = [sys.executable, "-W", "error", "-c", START, catalog_url]
        processes = [
            await asyncio.create_subprocess_exec(
                *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            for _ in range(3)
        ]
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        ended = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
        assert [
            (process.returncode, errors)
            for process, (_, errors) in zip(processes, ended, strict=True)
        ] == [(0, b"")] * 3
        assert await count(database, "buckets") == 1

    async def test_a_second_start_changes_nothing(self, catalog: Catalog) -> None:
        committed = await catalog.commit([new_object()])
        await catalog.start()
        assert await catalog.outcome(committed[0].request_id) == committed[0]

    async def test_a_catalog_starts_again_after_it_was_closed(self, catalog: Catalog) -> None:
        committed = await catalog.commit([new_object()])
        await catalog.close()
        await catalog.start()
        assert await catalog.outcome(committed[0].request_id) == committed[0]

    async def test_a_schema_newer_than_the_program_is_refused(
        self, catalog: Catalog, database: Database
    ) -> None:
        async with database.write() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(InvalidConfiguration, match="9999, which is newer"):
            await catalog.start()

    async def test_the_migrations_make_the_tables(
        self, catalog: Catalog, database: Database
    ) -> None:
        async with database.read() as connection:
            differences = await connection.run_sync(
                lambda c: compare_metadata(MigrationContext.configure(c), metadata)
            )
        assert differences == []

    async def test_a_failed_transaction_leaves_nothing(
        self, catalog: Catalog, database: Database
    ) -> None:
        async def fail() -> None:
            async with database.write() as connection:
                await connection.execute(text("DELETE FROM buckets"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert await count(database, "buckets") == 1

    async def test_a_mistake_of_ours_is_not_called_unavailable(
        self, catalog: Catalog, database: Database
    ) -> None:
        with pytest.raises(DBAPIError):
            await count(database, "no_such_table")

    async def test_what_the_first_schema_held_is_still_there(
        self, catalog_url: str, database: Database
    ) -> None:
        nameless, refusal = new_object(metadata={"a": "b"}), rejected()
        versions = [new_object(name="ü", version=number) for number in (1, 2, 3)]
        other = new_object(name="other")
        await make_first_schema(database)
        held = [nameless, *versions, other]
        await insert_as_before(database, held, [refusal], gone=versions[2])
        catalog = Catalog(catalog_url, request_life_seconds=LIFE_SECONDS)
        await catalog.start()
        for new in held:
            done_before = Done(request_id=new.request_id, object=new.object)
            assert await catalog.outcome(new.request_id) == done_before
            assert await catalog.commit([new]) == [done_before]
        assert await catalog.commit([refusal]) == [refusal]
        assert (await located(catalog, nameless.request_id)).location == nameless.location
        assert await at_name(catalog, "ü") == versions[1].request_id
        assert await numbers(catalog, "ü") == [2, 1]
        page = await catalog.list_objects(type=None, page=1, page_size=10)
        assert {each.object_id for each in page.objects} == {
            nameless.request_id,
            versions[1].request_id,
            other.request_id,
        }
        assert (await catalog.buckets(["default"]))["default"].revision == 1
        outcome = await done(catalog, new_object(name="ü"))
        assert outcome.object is not None
        assert (outcome.object.version, outcome.replaced) == (4, True)
        for object_id in (outcome.request_id, versions[1].request_id):
            await done(catalog, DeleteObject(request_id=MINT.new(), object_id=object_id))
        assert await at_name(catalog, "ü") == versions[0].request_id
        await catalog.close()

    async def test_letters_of_the_first_schema_are_found_by_their_faults(
        self, catalog_url: str, database: Database
    ) -> None:
        letter = dead_letter(MINT.new())
        odd = msgspec.structs.replace(letter.fault, error="odd", message="a\0b \ud800")
        other = msgspec.structs.replace(letter, letter_id=MINT.new(), fault=odd)
        await make_first_schema(database)
        for one in (letter, other):
            await insert_letter_as_before(database, one)
        catalog = Catalog(catalog_url, request_life_seconds=LIFE_SECONDS)
        await catalog.start()
        for one, wanted in (
            (letter, LetterFilter(error="UndecodableMessage", text="checksum")),
            (other, LetterFilter(error="odd", text="a\ufffdb")),
        ):
            (found,) = await catalog.dead_letters(wanted, limit=9)
            assert found.letter_id == one.letter_id
        assert await catalog.dead_letter(letter.letter_id) == letter
        await catalog.close()
