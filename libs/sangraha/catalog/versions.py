"""Which version of its name a new object is: counted up for each name in each bucket."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.tables import objects
from sangraha.catalog.verdict import Entry, NewObject

_LATEST: Final = select(func.coalesce(func.max(objects.c.version), 0)).where(
    objects.c.bucket == bindparam("bucket"), objects.c.name == bindparam("name")
)
_HOLD: Final = select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("name"), 0)))


async def with_versions(
    connection: AsyncConnection, entries: Mapping[UUID, Entry]
) -> dict[UUID, Entry]:
    """The entries, those with a name with its next version.

    Holds the names until the transaction ends, so that no other commit counts the same version.
    """
    last: dict[tuple[str, str], int] = {}
    for bucket, name in sorted({named for named in map(_name_of, entries.values()) if named}):
        if connection.dialect.name == "postgresql":
            await connection.execute(_HOLD, {"name": f"{bucket}/{name}"})
        found = await connection.execute(_LATEST, {"bucket": bucket, "name": name})
        last[bucket, name] = found.scalar_one()
    versioned = dict(entries)
    for request_id, entry in entries.items():
        if isinstance(entry, NewObject) and (named := _name_of(entry)):
            last[named] += 1
            stored = msgspec.structs.replace(entry.object, version=last[named])
            versioned[request_id] = msgspec.structs.replace(entry, object=stored)
    return versioned


def _name_of(entry: Entry) -> tuple[str, str] | None:
    if isinstance(entry, NewObject) and entry.object.name is not None:
        return entry.object.bucket, entry.object.name
    return None
