"""Starting: migrations that run by themselves, once, whoever comes first."""

import asyncio
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sangraha.catalog.catalog import Catalog
from sangraha.catalog.database import Database
from sangraha.catalog.tables import metadata
from sangraha.errors import InvalidConfiguration
from tests.contract.catalog_samples import new_object
from tests.contract.catalog_suite import LIFE_SECONDS, CatalogSuite, count

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
