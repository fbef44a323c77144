"""What the catalog's contract is tried with: a catalog, a second replica of it, and its database
bare. It asserts nothing.
"""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from sangraha.catalog.catalog import Catalog
from sangraha.catalog.database import Database

LIFE_SECONDS = 3600


async def count(database: Database, table: str) -> int:
    """How many rows the table has."""
    async with database.read() as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


class CatalogSuite:
    """A subclass gives the fixture `catalog_url`: the address of a new, empty database."""

    @pytest.fixture
    async def catalog(self, catalog_url: str) -> AsyncIterator[Catalog]:
        catalog = Catalog(catalog_url, request_life_seconds=LIFE_SECONDS)
        await catalog.start()
        yield catalog
        await catalog.close()

    @pytest.fixture
    async def another(self, catalog: Catalog, catalog_url: str) -> AsyncIterator[Catalog]:
        """The same catalog, as another replica has it."""
        another = Catalog(catalog_url, request_life_seconds=LIFE_SECONDS)
        await another.start()
        yield another
        await another.close()

    @pytest.fixture
    async def database(self, catalog_url: str) -> AsyncIterator[Database]:
        database = Database(catalog_url, timeout_seconds=10)
        yield database
        await database.close()
