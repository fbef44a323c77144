"""What a page of names costs: counted in what the database does, never in time."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.catalog import Catalog
from sangraha.catalog.database import Database
from sangraha.catalog.name_listing import page_of_names
from sangraha.messages import ListNames
from sangraha.objects import NamePage
from tests.contract.catalog_listing_contract import asked
from tests.contract.catalog_rows import insert_bucket, insert_many_names
from tests.contract.catalog_suite import CatalogSuite

MANY = 100_000
LEAST = 1_000
_INSTRUCTIONS_AT_A_TIME = 10


class Cost:
    """Of a page: instructions of SQLite's machine or buffers of PostgreSQL's, and statements.

    `plans` is how each statement is done.
    """

    def __init__(self) -> None:
        self.work = 0
        self.statements: list[tuple[str, Any]] = []
        self.plans: list[str] = []


@asynccontextmanager
async def counted(connection: AsyncConnection) -> AsyncIterator[Cost]:
    """What is executed meanwhile."""
    cost = Cost()

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        cost.statements.append((statement, parameters))

    assert connection.sync_connection is not None
    event.listen(connection.sync_connection, "before_cursor_execute", note)
    on = {"sqlite": _counted_on_sqlite, "postgresql": _counted_on_postgresql}
    try:
        async with on[connection.dialect.name](connection, cost):
            yield cost
    finally:
        if event.contains(connection.sync_connection, "before_cursor_execute", note):
            event.remove(connection.sync_connection, "before_cursor_execute", note)


@asynccontextmanager
async def _counted_on_sqlite(connection: AsyncConnection, cost: Cost) -> AsyncIterator[None]:
    def step() -> int:
        cost.work += _INSTRUCTIONS_AT_A_TIME
        return 0

    driver: Any = (await connection.get_raw_connection()).driver_connection
    await driver.set_progress_handler(step, _INSTRUCTIONS_AT_A_TIME)
    yield
    await driver.set_progress_handler(None, 0)
    for statement, parameters in list(cost.statements):
        plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        cost.plans += [row[-1] for row in plan]


@asynccontextmanager
async def _counted_on_postgresql(connection: AsyncConnection, cost: Cost) -> AsyncIterator[None]:
    yield
    for statement, parameters in list(cost.statements):
        explained = await connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters
        )
        found = explained.scalar_one()
        plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
        cost.work += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        cost.plans += list(_scans(plan))


def _scans(plan: dict[str, Any]) -> Any:
    if "Relation Name" in plan:
        yield f"{plan['Node Type']} {plan['Relation Name']}"
    for below in plan.get("Plans", []):
        yield from _scans(below)


class PagesContract(CatalogSuite):
    """A page costs what is on it, and not what is before, after or in between."""

    async def page(self, database: Database, wanted: ListNames) -> tuple[NamePage, int]:
        """The page, and what it cost."""
        async with database.read() as connection:
            async with counted(connection) as cost:
                page = await page_of_names(connection, wanted)
            found = [statement for statement, _ in cost.statements if "EXPLAIN" not in statement]
            assert len(found) <= 3
            whole = ("Seq Scan objects", "SCAN objects", "Bitmap Heap Scan objects")
            assert not [plan for plan in cost.plans if plan.startswith(whole)], cost.plans
        return page, cost.work

    async def test_a_page_costs_the_same_in_any_bucket_and_at_any_place(
        self, catalog: Catalog, database: Database
    ) -> None:
        for bucket, count in (("few", LEAST), ("many", MANY)):
            await insert_bucket(database, bucket)
            await insert_many_names(database, bucket, count)
        await self.check_any_place(database)
        await self.check_folders(database)
        await self.check_filters(database)

    async def check_any_place(self, database: Database) -> None:
        """At the start, in the middle and towards the end."""
        _, least = await self.page(database, asked(bucket="few"))
        for number in (0, 5, 9):
            folder = f"folder {number}/"
            first, work = await self.page(database, asked(bucket="many", prefix=folder))
            assert len(first.objects) == 100
            assert work <= 1.5 * least
            following, work = await self.page(
                database, asked(bucket="many", prefix=f"{folder}1", cursor=first.next_cursor)
            )
            assert len(following.objects) == 100
            assert work <= 1.5 * least
        whole, tenfold = await self.page(database, asked(bucket="many", limit=1000))
        assert len(whole.objects) == 1000
        assert 3 * least < tenfold <= 11 * least

    async def check_folders(self, database: Database) -> None:
        """What a delimiter folds is not read."""
        page, least = await self.page(database, asked(bucket="few", delimiter="/"))
        folders = [f"folder {number}/" for number in range(10)]
        assert page.prefixes == folders
        page, work = await self.page(database, asked(bucket="many", delimiter="/"))
        assert page.prefixes == folders
        assert work <= 1.5 * least
        inside = {"delimiter": "/", "prefix": "folder 3/"}
        _, least = await self.page(database, asked(bucket="few", **inside))
        page, work = await self.page(database, asked(bucket="many", **inside))
        assert len(page.objects) == 100
        assert work <= 1.5 * least

    async def check_filters(self, database: Database) -> None:
        """A filtered page ends though nothing is found: one in 50,000 is a PDF, and no page looks
        at more than 10,000 names.
        """
        for delimiter, in_all in ((None, 2), ("/", 1)):
            wanted: dict[str, Any] = {"delimiter": delimiter, "type": "pdf"}
            _, least = await self.page(database, asked(bucket="few", **wanted))
            pages, found, cursor = 0, 0, None
            while cursor is not None or not pages:
                page, work = await self.page(
                    database, asked(bucket="many", cursor=cursor, **wanted)
                )
                assert work <= 1.5 * least * 10_000 / LEAST
                pages, cursor = pages + 1, page.next_cursor
                found += len(page.objects) + len(page.prefixes)
            assert pages == MANY // 10_000
            assert found == in_all
