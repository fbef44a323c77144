"""PostgreSQL keeps the catalog contract; and what only a server can suffer."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import text

from development.servers import PostgresServer
from sangraha.catalog.catalog import Catalog, Expired, Swept
from sangraha.catalog.commit import commit_group
from sangraha.catalog.database import Database
from sangraha.catalog.locks import Locks
from sangraha.errors import CatalogUnavailable, InvalidConfiguration
from sangraha.messages import Done, MoveObject, PatchInfo, WriteOutcome
from tests.contract.catalog_contract import CatalogContract
from tests.contract.catalog_samples import MINT, new_object
from tests.contract.catalog_suite import LIFE_SECONDS, located
from tests.waiting import eventually

LIFE = timedelta(seconds=LIFE_SECONDS)


@asynccontextmanager
async def hasty(url: str) -> AsyncIterator[Catalog]:
    """A catalog that waits for its database one second at most."""
    catalog = Catalog(url, request_life_seconds=LIFE_SECONDS, timeout_seconds=1)
    try:
        yield catalog
    finally:
        await catalog.close()


async def answers(catalog: Catalog) -> bool:
    try:
        await catalog.check()
    except CatalogUnavailable:
        return False
    return True


class TestPostgresqlCatalog(CatalogContract):
    @pytest.fixture
    def catalog_url(self, postgres_url: str) -> str:
        return postgres_url

    async def test_a_restarted_server_is_not_noticed(
        self, own_postgres_server: PostgresServer
    ) -> None:
        async with hasty(own_postgres_server.new_database()) as catalog:
            await catalog.start()
            await asyncio.gather(*(catalog.check() for _ in range(4)))
            await asyncio.to_thread(own_postgres_server.restart)
            await asyncio.gather(*(catalog.commit([new_object()]) for _ in range(8)))

    async def test_a_stopped_server_is_unavailable_until_it_is_back(
        self, own_postgres_server: PostgresServer
    ) -> None:
        async with hasty(own_postgres_server.new_database()) as catalog:
            await catalog.start()
            new = new_object()
            await asyncio.to_thread(own_postgres_server.kill)
            for _ in range(3):
                with pytest.raises(CatalogUnavailable):
                    await catalog.commit([new])
                with pytest.raises(CatalogUnavailable):
                    await catalog.start()
            await asyncio.to_thread(own_postgres_server.start)
            done = Done(request_id=new.request_id, object=new.object)
            assert await catalog.commit([new]) == [done]

    async def test_a_frozen_server_is_unavailable_in_time(
        self, own_postgres_server: PostgresServer
    ) -> None:
        url = own_postgres_server.new_database()
        async with hasty(url) as catalog, hasty(url) as unconnected:
            await catalog.start()
            new = new_object()
            own_postgres_server.freeze()
            asked = time.monotonic()
            for use in (catalog.check(), catalog.commit([new]), unconnected.check()):
                with pytest.raises(CatalogUnavailable):
                    await use
            assert time.monotonic() - asked < 3 * 3
            own_postgres_server.thaw()
            await eventually(lambda: answers(catalog), what="the catalog answers again")
            done = Done(request_id=new.request_id, object=new.object)
            assert await catalog.commit([new]) == [done]

    async def test_a_server_that_dies_amid_commits_loses_none(
        self, own_postgres_server: PostgresServer
    ) -> None:
        async with hasty(own_postgres_server.new_database()) as catalog:
            await catalog.start()
            committed: list[Done] = []

            async def commit_until_it_dies() -> None:
                while True:
                    (outcome,) = await catalog.commit([new_object()])
                    assert isinstance(outcome, Done)
                    committed.append(outcome)

            tasks = [asyncio.create_task(commit_until_it_dies()) for _ in range(4)]
            await eventually(lambda: len(committed) > 100)
            await asyncio.to_thread(own_postgres_server.kill)
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(error) for error in ended} == {CatalogUnavailable}
            await asyncio.to_thread(own_postgres_server.start)
            kept = await catalog.outcomes([outcome.request_id for outcome in committed])
            assert kept == {outcome.request_id: outcome for outcome in committed}

    async def test_a_frozen_worker_does_not_hold_its_requests_for_ever(
        self, catalog: Catalog, catalog_url: str
    ) -> None:
        new = new_object()
        answers: list[WriteOutcome | Expired | Swept] = []
        frozen = Database(catalog_url, timeout_seconds=1)

        async def freeze_while(commits: Callable[[], Awaitable[None]]) -> None:
            async with frozen.write(timeout_seconds=30) as connection:
                await connection.execute(text("LOCK TABLE objects"))
                await commits()

        async def commit_beside_it() -> None:
            async with hasty(catalog_url) as hurried:
                with pytest.raises(CatalogUnavailable):
                    await hurried.commit([new])
            answers.extend(await catalog.commit([new]))

        with pytest.raises(CatalogUnavailable):
            await freeze_while(commit_beside_it)
        await frozen.close()
        assert answers == [Done(request_id=new.request_id, object=new.object)]

    async def test_an_object_that_moved_meanwhile_is_locked_at_its_new_name(
        self, catalog: Catalog, database: Database
    ) -> None:
        new = new_object(name="a")
        await catalog.commit([new])
        move = MoveObject(
            request_id=MINT.new(), object_id=new.request_id, bucket="default", name="b"
        )
        first, second = (
            PatchInfo(request_id=MINT.new(), object_id=new.request_id, metadata={key: "x"})
            for key in ("first", "second")
        )

        async def waiting() -> int:
            async with database.read() as connection:
                asked = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
                return int((await connection.execute(asked)).scalar_one())

        async def change_once_it_is_at_b() -> None:
            locks = Locks()
            locks.add_name("default", "b")
            async with database.write() as connection:
                await locks.take(connection)
                await commit_group(connection, [second], life=LIFE)
                await eventually(waiting, what="the overtaken change waits for the new name")

        async with database.write() as connection:
            await commit_group(connection, [move], life=LIFE)
            tasks = [
                asyncio.create_task(catalog.commit([first])),
                asyncio.create_task(change_once_it_is_at_b()),
            ]

            async def both_wait() -> bool:
                return await waiting() == len(tasks)

            await eventually(both_wait, what="both wait for the move")
        await asyncio.gather(*tasks)
        info = (await located(catalog, new.request_id)).object
        assert (info.name, info.revision) == ("b", 4)
        assert info.metadata == {"first": "x", "second": "x"}

    async def test_the_question_for_names_is_planned_once(
        self, catalog: Catalog, database: Database
    ) -> None:
        await catalog.commit([new_object(name=f"{number}") for number in range(300)])
        for table in ("objects", "bodies", "buckets"):
            async with database.read() as connection:
                await connection.execute(text(f"ANALYZE {table}"))
        for _ in range(8):
            async with database.write() as connection:
                await commit_group(connection, [new_object(name="7")], life=LIFE)
        asked = text(
            "SELECT generic_plans FROM pg_prepared_statements WHERE statement LIKE 'SELECT asked.%'"
        )
        async with database.read() as connection:
            (planned_once,) = (await connection.execute(asked)).scalars()
        # The server tries five times whether another plan would be better each time.
        assert planned_once == 8 - 5

    async def test_a_connection_is_used_again_without_being_reset(
        self, catalog: Catalog, database: Database
    ) -> None:
        async with database.write() as connection:
            await connection.execute(text("SET work_mem = '12345kB'"))
        async with database.read() as connection:
            assert (await connection.execute(text("SHOW work_mem"))).scalar_one() == "12345kB"

    @pytest.mark.parametrize("setting", ["sslmode=require", "ssl=require"])
    async def test_tls_that_is_required_is_required(self, postgres_url: str, setting: str) -> None:
        async with hasty(f"{postgres_url}?{setting}") as catalog:
            with pytest.raises(CatalogUnavailable, match="SSL"):
                await catalog.start()

    async def test_what_no_waiting_mends_is_a_wrong_configuration(self, postgres_url: str) -> None:
        address = postgres_url.rpartition("/")[0]
        for url in (
            f"{address}/nosuchdatabase",
            postgres_url.replace("sangraha:", "sangraha:not-"),
            postgres_url.replace("sangraha:", "nobody:"),
            f"{postgres_url}?sslmode=perhaps",
            "postgresql://127.0.0.1:port/database",
        ):
            async with hasty(url) as catalog:
                with pytest.raises(InvalidConfiguration):
                    await catalog.start()
