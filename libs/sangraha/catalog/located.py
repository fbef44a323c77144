"""Where the bytes of objects are: by their ids, by names, and by versions of names."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Text,
    bindparam,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.lookup import among, padded
from sangraha.catalog.rows import INFO_COLUMNS, LOCATION_COLUMNS, AnyRow, info_of, location_of
from sangraha.catalog.tables import bodies, buckets, objects
from sangraha.catalog.text import is_storable
from sangraha.objects import Location, ObjectInfo

NameKey = tuple[str, str, int | None]
"""A bucket, a name, and the number of a version or None for the current one."""


class Located(msgspec.Struct, frozen=True):
    """A live object and its bytes. `max_age_seconds` is how long it may be kept without asking.

    `modified_at` is since when the address has given these bytes: for a name, since they were put
    on top of it, which may be long after they came.
    """

    object: ObjectInfo
    location: Location
    max_age_seconds: int
    modified_at: datetime


class Deleted(msgspec.Struct, frozen=True):
    """There was such an object, and it was deleted for good."""


def _located(max_age: ColumnElement[int], *conditions: ColumnElement[bool]) -> Select[Any]:
    return (
        select(
            *INFO_COLUMNS,
            objects.c.state,
            objects.c.risen_at,
            max_age.label("max_age"),
            *LOCATION_COLUMNS,
        )
        .join_from(objects, bodies, objects.c.body_id == bodies.c.id)
        .join(buckets, objects.c.bucket == buckets.c.name)
        .where(*conditions)
    )


_IS_LIVE: Final = (objects.c.state == "live", buckets.c.state == "live")
_BY_ID: Final = _located(
    buckets.c.id_cache_seconds, among(objects.c.object_id), buckets.c.state != "purging"
)
_NAMED: Final = tuple_(objects.c.bucket, objects.c.name, types=[Text, Text])
_BY_NAME: Final = _located(
    buckets.c.name_cache_seconds,
    *_IS_LIVE,
    # Literally as in the index of current names: only then is it used.
    literal_column("objects.is_current AND objects.name IS NOT NULL"),
    _NAMED.in_(bindparam("names", expanding=True)),
)
_VERSIONED: Final = tuple_(
    objects.c.bucket, objects.c.name, objects.c.version, types=[Text, Text, Integer]
)
_BY_VERSION: Final = _located(
    buckets.c.id_cache_seconds,
    *_IS_LIVE,
    literal_column("objects.name IS NOT NULL"),
    _VERSIONED.in_(bindparam("names", expanding=True)),
)


async def located(
    connection: AsyncConnection, object_ids: Sequence[UUID]
) -> dict[UUID, Located | Deleted]:
    """Those of these that are or were objects, but not what is in a bucket that is purged."""
    rows = await connection.execute(_BY_ID, padded(object_ids))
    return {row.object_id: _located_of(row) if row.state == "live" else Deleted() for row in rows}


async def located_by_name(
    connection: AsyncConnection, names: Sequence[NameKey]
) -> dict[NameKey, Located]:
    """The live ones of these names and versions."""
    current = [(bucket, name) for bucket, name, version in names if version is None]
    versions = [(bucket, name, version) for bucket, name, version in names if version is not None]
    found: dict[NameKey, Located] = {}
    for row in await _rows(connection, _BY_NAME, current):
        found[row.bucket, row.name, None] = _located_of(row, row.risen_at)
    for row in await _rows(connection, _BY_VERSION, versions):
        found[row.bucket, row.name, row.version] = _located_of(row)
    return found


async def _rows(
    connection: AsyncConnection, statement: Select[Any], wanted: Sequence[tuple[Any, ...]]
) -> list[AnyRow]:
    names = [key for key in dict.fromkeys(wanted) if is_storable(key[0]) and is_storable(key[1])]
    if not names:
        return []
    # As `padded` does: few different statements.
    size = 1 << (len(names) - 1).bit_length()
    names += [names[-1]] * (size - len(names))
    return list(await connection.execute(statement, {"names": names}))


def _located_of(row: AnyRow, modified_at: datetime | None = None) -> Located:
    modified_at = modified_at or row.created_at
    return Located(info_of(row), location_of(row), row.max_age, modified_at)
