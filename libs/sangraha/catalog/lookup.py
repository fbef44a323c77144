"""Reading by id: outcomes of requests, objects and where their bytes are."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.rows import (
    LOCATION_COLUMNS,
    OBJECT_COLUMNS,
    location_of,
    object_of,
    outcome_of,
)
from sangraha.catalog.tables import bodies, objects, outcomes
from sangraha.messages import Dead, Done, Rejected, WriteOutcome
from sangraha.objects import Location, StoredObject


def among(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """The condition that the column is one of `:ids`."""
    return column.in_(bindparam("ids", expanding=True, type_=Uuid()))


def padded(ids: Sequence[UUID]) -> dict[str, list[UUID]]:
    """The ids as parameters for `among`, the last one repeated up to a power of two.

    The database then sees a handful of different statements, which it keeps prepared, and not
    one for every number of ids.
    """
    if not ids:
        return {"ids": []}
    size = 1 << (len(ids) - 1).bit_length()
    return {"ids": [*ids, *[ids[-1]] * (size - len(ids))]}


OBJECTS: Final = select(*OBJECT_COLUMNS).where(among(objects.c.object_id))
OUTCOMES: Final = select(outcomes.c.request_id, outcomes.c.state, outcomes.c.problem).where(
    among(outcomes.c.request_id)
)
LOCATED: Final = (
    select(*OBJECT_COLUMNS, *LOCATION_COLUMNS)
    .join_from(objects, bodies, objects.c.body_id == bodies.c.id)
    .where(among(objects.c.object_id), objects.c.state == "live")
)


async def created(
    connection: AsyncConnection, request_ids: Sequence[UUID]
) -> dict[UUID, StoredObject]:
    """The objects these requests made, deleted ones included."""
    rows = await connection.execute(OBJECTS, padded(request_ids))
    return {stored.object_id: stored for stored in map(object_of, rows)}


async def refused_or_dead(
    connection: AsyncConnection, request_ids: Sequence[UUID]
) -> dict[UUID, Rejected | Dead]:
    """The outcomes of these requests that have rows of their own."""
    rows = await connection.execute(OUTCOMES, padded(request_ids))
    return {outcome.request_id: outcome for outcome in map(outcome_of, rows)}


async def outcomes_of(
    connection: AsyncConnection, request_ids: Sequence[UUID]
) -> dict[UUID, WriteOutcome]:
    """What is recorded of these requests.

    Outcomes are read before objects, and an object counts more: a dead request that is being
    done meanwhile is seen as dead or as done, never as neither.
    """
    found: dict[UUID, WriteOutcome] = {}
    found.update(await refused_or_dead(connection, request_ids))
    for request_id, stored in (await created(connection, request_ids)).items():
        found[request_id] = Done(request_id=request_id, object=stored)
    return found


async def located(
    connection: AsyncConnection, object_ids: Sequence[UUID]
) -> dict[UUID, tuple[StoredObject, Location]]:
    """The live ones of these objects, and where their bytes are."""
    rows = await connection.execute(LOCATED, padded(object_ids))
    return {row.object_id: (object_of(row), location_of(row)) for row in rows}
