"""SQLite keeps the catalog contract; and what only a file can suffer."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from sangraha.catalog.catalog import Catalog
from sangraha.catalog.database import Database
from sangraha.errors import CatalogUnavailable, InvalidConfiguration
from sangraha.messages import Done
from tests.contract.catalog_contract import CatalogContract
from tests.contract.catalog_samples import new_object
from tests.contract.catalog_suite import LIFE_SECONDS

COMMIT_FOR_EVER = """
import asyncio, sys
from sangraha.catalog.catalog import Catalog
from tests.contract.catalog_samples import new_object

async def main():
    catalog = Catalog(sys.argv[1], request_life_seconds=60)
    await catalog.start()
    while True:
        for outcome in await catalog.commit([new_object() for _ in range(3)]):
            print(outcome.request_id, flush=True)

asyncio.run(main())
"""


class TestSqliteCatalog(CatalogContract):
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "a new folder" / "catalog ü.sqlite"

    @pytest.fixture
    def catalog_url(self, file: Path) -> str:
        return f"sqlite:///{file}"

    @pytest.fixture
    def other_program(self, catalog: Catalog, file: Path) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            yield connection

    async def test_what_was_committed_survives_a_killed_process(self, catalog_url: str) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", COMMIT_FOR_EVER, catalog_url, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        told = [await process.stdout.readline() for _ in range(100)]
        process.send_signal(signal.SIGKILL)
        told += (await process.stdout.read()).splitlines(keepends=True)
        await process.wait()
        request_ids = [UUID(line.decode().rstrip()) for line in told if line.endswith(b"\n")]
        catalog = Catalog(catalog_url, request_life_seconds=LIFE_SECONDS)
        await catalog.start()
        assert set(await catalog.outcomes(request_ids)) == set(request_ids)
        await catalog.close()

    async def test_every_connection_writes_through_to_the_disk(
        self, catalog: Catalog, database: Database
    ) -> None:
        async with database.write() as writing, database.read() as reading:
            for connection in (writing, reading):
                modes = {
                    name: (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
                    for name in ("journal_mode", "synchronous", "foreign_keys")
                }
                assert modes == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}

    async def test_a_reader_does_not_wait_for_a_writer(
        self, catalog: Catalog, other_program: sqlite3.Connection
    ) -> None:
        other_program.execute("BEGIN EXCLUSIVE")
        await catalog.check()

    async def test_a_locked_file_is_unavailable_until_it_is_free(
        self, catalog_url: str, other_program: sqlite3.Connection
    ) -> None:
        catalog = Catalog(catalog_url, request_life_seconds=LIFE_SECONDS, timeout_seconds=0.5)
        new = new_object()
        await catalog.start()
        other_program.execute("BEGIN IMMEDIATE")
        asked = time.monotonic()
        with pytest.raises(CatalogUnavailable, match="locked"):
            await catalog.commit([new])
        assert time.monotonic() - asked < 2
        other_program.execute("ROLLBACK")
        assert await catalog.commit([new]) == [Done(request_id=new.request_id, object=new.object)]
        await catalog.close()

    async def test_a_start_waits_for_another_that_makes_the_file(
        self, catalog_url: str, file: Path
    ) -> None:
        file.parent.mkdir()
        catalog = Catalog(catalog_url, request_life_seconds=LIFE_SECONDS)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            other.execute("CREATE TABLE theirs (a)")
            starting = asyncio.create_task(catalog.start())
            await asyncio.wait([starting], timeout=0.2)
            assert not starting.done()
            other.execute("ROLLBACK")
        await starting
        await catalog.close()

    async def test_writers_of_one_process_stand_in_line(
        self, catalog: Catalog, other_program: sqlite3.Connection
    ) -> None:
        other_program.execute("BEGIN IMMEDIATE")
        waiting = [asyncio.create_task(catalog.commit([new_object()])) for _ in range(30)]
        await catalog.check()
        assert not any(task.done() for task in waiting)
        other_program.execute("ROLLBACK")
        await asyncio.gather(*waiting)
        assert (await catalog.list_objects(type=None, page=1, page_size=1)).total == 30

    async def test_a_commit_that_is_cancelled_leaves_the_catalog_working(
        self, catalog: Catalog, other_program: sqlite3.Connection
    ) -> None:
        other_program.execute("BEGIN IMMEDIATE")
        new = new_object()
        task = asyncio.create_task(catalog.commit([new]))
        await catalog.check()
        task.cancel()
        other_program.execute("ROLLBACK")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await catalog.commit([new]) == [Done(request_id=new.request_id, object=new.object)]

    async def test_a_file_that_is_no_database_is_a_wrong_configuration(self, file: Path) -> None:
        file.parent.mkdir()
        file.write_text("a letter to grandmother, longer than the header of a database " * 10)
        for url in (f"sqlite:///{file}", f"sqlite:///{file}/below", f"sqlite:///{file.parent}"):
            catalog = Catalog(url, request_life_seconds=LIFE_SECONDS)
            with pytest.raises(InvalidConfiguration):
                await catalog.start()
            await catalog.close()

    async def test_a_relative_path_starts_at_the_working_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        catalog = Catalog("sqlite:///data/catalog.sqlite", request_life_seconds=LIFE_SECONDS)
        await catalog.start()
        await catalog.close()
        assert (tmp_path / "data" / "catalog.sqlite").is_file()
