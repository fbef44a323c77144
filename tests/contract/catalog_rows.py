"""Rows put straight into the catalog's tables, many at a time. It asserts nothing."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import text

from sangraha.catalog.columns import DatabaseClock
from sangraha.catalog.database import Database
from sangraha.catalog.tables import bodies, buckets, objects
from tests.contract.catalog_samples import new_object

_NUMBERS = {
    "postgresql": "SELECT i FROM generate_series(0, :last) AS s (i)",
    "sqlite": "WITH RECURSIVE s (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s WHERE i < :last)"
    " SELECT i FROM s",
}
_ID = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}
_MANY = """
INSERT INTO objects (object_id, request_id, bucket, name, version, type, content_type, size, sha256,
                     metadata, body_offset, body_length, revision, state, created_at)
SELECT {id}, {id}, :bucket, 'folder ' || (i % 10) || '/' || (1000000 + i), 1,
       CASE WHEN i % 50000 = 49999 THEN 'pdf' ELSE 'json' END, 'application/json', 1, '',
       '{{}}', 0, 0, 1, 'live', {clock}
FROM ({numbers}) AS numbers
"""
_CLOCK = {"postgresql": "now()", "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now')"}


async def insert_bucket(database: Database, name: str, **fields: Any) -> None:
    """A bucket."""
    async with database.write() as connection:
        values = {"name": name, "created_at": DatabaseClock(), **fields}
        await connection.execute(buckets.insert().values(values))


async def insert_body(database: Database, key: str, **fields: Any) -> int:
    """A body; its number."""
    values = {"key": key, "state": "live", "size": 1, "created_at": DatabaseClock(), **fields}
    async with database.write() as connection:
        added = await connection.execute(bodies.insert().values(values).returning(bodies.c.id))
        return int(added.scalar_one())


def object_row(**fields: Any) -> dict[str, Any]:
    """A row of objects: live, current and without a body unless the fields say otherwise."""
    stored = new_object().object
    plain = {name: getattr(stored, name) for name in stored.__struct_fields__}
    placing = {"body_id": None, "body_offset": 0, "body_length": 0, "revision": 1}
    standing = {"state": "live", "is_current": True, "is_marker": False, "rank": 1}
    return {**plain, **placing, **standing, **fields}


async def insert_objects(database: Database, rows: Iterable[dict[str, Any]]) -> None:
    """Rows as `object_row` makes them."""
    if found := list(rows):
        async with database.write() as connection:
            await connection.execute(objects.insert(), found)


async def insert_names(database: Database, bucket: str, names: Iterable[str]) -> None:
    """A live object for each name."""
    await insert_objects(database, (object_row(bucket=bucket, name=name) for name in names))


async def insert_many_names(database: Database, bucket: str, count: int) -> None:
    """`folder 0/1000000`, `folder 1/1000001` and so on: ten folders. One in 50,000 is a PDF."""
    async with database.write(timeout_seconds=60) as connection:
        dialect = connection.dialect.name
        statement = _MANY.format(id=_ID[dialect], clock=_CLOCK[dialect], numbers=_NUMBERS[dialect])
        await connection.execute(text(statement), {"bucket": bucket, "last": count - 1})


async def moments(database: Database, key: str) -> tuple[bool, bool, bool]:
    """Whether the body was released, condemned, removed."""
    async with database.read() as connection:
        statement = bodies.select().where(bodies.c.key == key)
        row = (await connection.execute(statement)).one()
    return row.released_at is not None, row.condemned_at is not None, row.removed_at is not None
