"""Claims: the primary key of `objects` makes any other commit of the same request wait.

Every request puts a row there, that of what it makes or an empty one. Only then is read what
earlier ones recorded, so whoever comes second sees it all.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Executable, delete
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.columns import DatabaseClock
from sangraha.catalog.held import Held
from sangraha.catalog.ledger import Ledger
from sangraha.catalog.lookup import among, padded
from sangraha.catalog.rows import object_row, placeholder_row
from sangraha.catalog.tables import objects
from sangraha.catalog.upsert import insert_for
from sangraha.catalog.verdict import NewObject

_GIVE_UP: Final = delete(objects).where(among(objects.c.object_id))
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@cache
def _claim(dialect: str) -> Executable:
    return (
        insert_for(dialect, objects)
        .on_conflict_do_nothing(index_elements=[objects.c.object_id])
        .returning(objects.c.object_id, DatabaseClock())
    )


async def claim(
    connection: AsyncConnection,
    request_ids: Iterable[UUID],
    plain: Mapping[UUID, NewObject],
    ledger: Ledger,
) -> tuple[set[UUID], datetime]:
    """Which of the ids were not there yet, and the database's time if there were any.

    The rows are those of plain creates and of what is new in the ledger; a request that makes
    neither has a placeholder. They are inserted in one order everywhere: groups that share requests
    wait, and never deadlock.
    """
    rows = [_row(request_id, plain, ledger) for request_id in sorted(request_ids)]
    claims = (await connection.execute(_claim(connection.dialect.name), rows)).all()
    now: datetime = max((moment for _, moment in claims), default=_LONG_AGO)
    return {request_id for request_id, _ in claims}, now


def _row(request_id: UUID, plain: Mapping[UUID, NewObject], ledger: Ledger) -> Mapping[str, Any]:
    held = ledger.made.get(request_id)
    if held is not None:
        held.risen_at = ledger.now if held.is_current else None
    elif (new := plain.get(request_id)) is not None:
        held = Held(stored=new.object, location=new.location)
    else:
        return placeholder_row(request_id)
    return object_row(held, ledger.bodies[held.location.key].body_id if held.location else None)


async def give_up(connection: AsyncConnection, request_ids: Iterable[UUID]) -> None:
    """Take away the rows of those that made nothing."""
    ids = sorted(request_ids)
    if ids:
        await connection.execute(_GIVE_UP, padded(ids))
