"""What the catalog's contract is tried with: a catalog, a second replica of it, and its database
bare. It asserts nothing.
"""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from sangraha.catalog.catalog import Catalog, Entry, Located
from sangraha.catalog.database import Database
from sangraha.messages import Done, ListVersions, Rejected
from sangraha.objects import StoredObject, Version

LIFE_SECONDS = 3600


async def count(database: Database, table: str) -> int:
    """How many rows the table has."""
    async with database.read() as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def located(catalog: Catalog, object_id: UUID) -> Located:
    """Where the object is, which must be live."""
    found = (await catalog.locate([object_id]))[object_id]
    assert isinstance(found, Located)
    return found


async def at_name(catalog: Catalog, name: str, bucket: str = "default") -> UUID | None:
    """The id of what is found at the name."""
    found = await catalog.locate_names([(bucket, name, None)])
    return found[bucket, name, None].object.object_id if found else None


async def versions(catalog: Catalog, name: str, bucket: str = "default") -> list[Version]:
    """The versions of a name that stand, the one on top first."""
    asked = ListVersions(read_id=uuid4(), bucket=bucket, name=name, limit=1000)
    return (await catalog.list_versions(asked)).versions


async def numbers(catalog: Catalog, name: str, bucket: str = "default") -> list[int]:
    """Their numbers."""
    return [version.version for version in await versions(catalog, name, bucket)]


async def done(catalog: Catalog, entry: Entry) -> Done:
    """The outcome of one request, which must be done."""
    (outcome,) = await catalog.commit([entry])
    assert isinstance(outcome, Done), outcome
    return outcome


async def made(catalog: Catalog, entry: Entry) -> StoredObject:
    """The object that comes of one request, which must be done."""
    stored = (await done(catalog, entry)).object
    assert stored is not None
    return stored


async def refused(catalog: Catalog, entry: Entry) -> str:
    """Why one request is refused: the slug of its problem."""
    (outcome,) = await catalog.commit([entry])
    assert isinstance(outcome, Rejected), outcome
    return outcome.problem.slug


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
