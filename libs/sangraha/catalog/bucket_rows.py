"""The rows of buckets: read by name, held for a commit, written."""

from collections.abc import Collection, Iterable
from functools import cache
from typing import Final

from sqlalchemy import Executable, bindparam, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.buckets import Bucket
from sangraha.catalog.held import BUCKET_LIVE, HeldBucket
from sangraha.catalog.rows import HELD_BUCKET_COLUMNS, bucket_row, held_bucket_of
from sangraha.catalog.tables import buckets, objects
from sangraha.catalog.upsert import insert_for

_BUCKETS: Final = select(*HELD_BUCKET_COLUMNS).where(
    buckets.c.name.in_(bindparam("names", expanding=True))
)
_LIVE: Final = (
    select(func.count()).select_from(objects).where(objects.c.bucket == bindparam("bucket"))
)
# Two counts, because each has an index that says just that.
_CURRENT: Final = _LIVE.where(literal_column("objects.is_current AND objects.state = 'live'"))
_OLD: Final = _LIVE.where(
    literal_column("(objects.state = 'live' OR objects.is_marker) AND objects.name IS NOT NULL"),
    literal_column("objects.state = 'live' AND NOT objects.is_current"),
)


@cache
def _put(dialect: str) -> Executable:
    added = insert_for(dialect, buckets)
    others = {column.name: added.excluded[column.name] for column in buckets.c}
    return added.on_conflict_do_update(index_elements=[buckets.c.name], set_=others)


async def live_buckets(connection: AsyncConnection, names: Collection[str]) -> dict[str, Bucket]:
    """Those of the buckets that there are."""
    held = await held_buckets(connection, names)
    return {name: one.bucket for name, one in held.items() if one.state == BUCKET_LIVE}


async def held_buckets(
    connection: AsyncConnection, names: Collection[str]
) -> dict[str, HeldBucket]:
    """Those of the buckets that there are or were."""
    rows = await connection.execute(_BUCKETS, {"names": sorted(names)})
    found = map(held_bucket_of, rows)
    return {held.bucket.name: held for held in found}


async def live_count(connection: AsyncConnection, bucket: str) -> int:
    """How many live objects there are in a bucket, old versions included."""
    parameters = {"bucket": bucket}
    current: int = (await connection.execute(_CURRENT, parameters)).scalar_one()
    old: int = (await connection.execute(_OLD, parameters)).scalar_one()
    return current + old


async def put_buckets(connection: AsyncConnection, held: Iterable[HeldBucket]) -> None:
    """Make the rows say what is held."""
    rows = [bucket_row(one) for one in held]
    if rows:
        await connection.execute(_put(connection.dialect.name), rows)
