"""Every object that there is, page by page, for whoever has to look at all of them."""

from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.rows import LOCATION_COLUMNS, location_of
from sangraha.catalog.tables import bodies, objects
from sangraha.objects import Location


class Kept(msgspec.Struct, frozen=True):
    """A live object: where its bytes are, and what they are."""

    object_id: UUID
    bucket: str
    name: str | None
    version: int
    sha256: str
    location: Location


class Totals(msgspec.Struct, frozen=True):
    """How many live objects there are, and their bytes."""

    objects: int
    bytes: int


_FIELDS: Final = Kept.__struct_fields__[:-1]
_COLUMNS: Final = tuple(objects.c[name] for name in _FIELDS)
_IS_LIVE: Final = objects.c.state == "live"
_PAGE: Final = (
    select(*_COLUMNS, *LOCATION_COLUMNS)
    .join_from(objects, bodies, objects.c.body_id == bodies.c.id)
    .where(_IS_LIVE)
    .order_by(objects.c.object_id)
)
_TOTALS: Final = select(func.count(), func.coalesce(func.sum(objects.c.body_length), 0)).where(
    _IS_LIVE
)


async def kept_after(connection: AsyncConnection, after: UUID | None, limit: int) -> list[Kept]:
    """Up to `limit` of them, all versions, in the order of their ids from the one after `after`."""
    page = _PAGE.limit(limit)
    if after is not None:
        page = page.where(objects.c.object_id > after)
    rows = await connection.execute(page)
    return [
        Kept(**dict(zip(_FIELDS, row, strict=False)), location=location_of(row)) for row in rows
    ]


async def totals_of(connection: AsyncConnection) -> Totals:
    """Of all of them now."""
    count, size = (await connection.execute(_TOTALS)).one()
    return Totals(count, int(size))
