"""Pages of the buckets there are, by name."""

from typing import Final

import msgspec
from sqlalchemy import bindparam, collate, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.buckets import BucketPage
from sangraha.catalog.cursor import cursor_of, position_of
from sangraha.catalog.rows import BUCKET_COLUMNS, bucket_of
from sangraha.catalog.tables import buckets
from sangraha.catalog.text import is_storable
from sangraha.errors import InvalidParameter, NotFound

_BYTEWISE: Final = {"postgresql": "C", "sqlite": "BINARY"}
_IS_LIVE: Final = select(literal(True)).where(
    buckets.c.name == bindparam("bucket"), buckets.c.state == "live"
)


class _Position(msgspec.Struct, array_like=True, tag="buckets"):
    after: str


async def page_of_buckets(
    connection: AsyncConnection, *, cursor: str | None, limit: int
) -> BucketPage:
    """The buckets after the cursor's. Raises InvalidParameter for a cursor that is none."""
    name = collate(buckets.c.name, _BYTEWISE[connection.dialect.name])
    statement = select(*BUCKET_COLUMNS).where(buckets.c.state == "live")
    if cursor is not None:
        after = position_of(cursor, _Position).after
        if not is_storable(after):
            raise InvalidParameter("the cursor names no bucket")
        statement = statement.where(name > after)
    rows = await connection.execute(statement.order_by(name).limit(limit + 1))
    found = [bucket_of(row) for row in rows]
    page, more = found[:limit], found[limit:]
    return BucketPage(
        buckets=page, next_cursor=cursor_of(_Position(page[-1].name)) if more else None
    )


async def require_bucket(connection: AsyncConnection, bucket: str) -> None:
    """Raises NotFound where there is no such bucket."""
    is_there = is_storable(bucket) and await connection.scalar(_IS_LIVE, {"bucket": bucket})
    if not is_there:
        raise NotFound(f"there is no bucket {bucket!r}")
