"""Reading by the id of a request: what became of it."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.rows import OBJECT_COLUMNS, object_of, outcome_of
from sangraha.catalog.tables import objects, outcomes, purges
from sangraha.messages import Dead, Done, Rejected, Underway, WriteOutcome


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


# Only what was ever an object is in a body: a marker has the id of a request that made none.
OBJECTS: Final = select(*OBJECT_COLUMNS, objects.c.replaced).where(
    among(objects.c.object_id), objects.c.body_id.is_not(None)
)
OUTCOMES: Final = select(
    outcomes.c.request_id, outcomes.c.state, outcomes.c.problem, outcomes.c.result
).where(among(outcomes.c.request_id))
PURGES: Final = select(purges.c.request_id, purges.c.done, purges.c.total).where(
    among(purges.c.request_id)
)


async def created(connection: AsyncConnection, request_ids: Sequence[UUID]) -> dict[UUID, Done]:
    """The outcomes of those requests that made an object, deleted ones included."""
    rows = await connection.execute(OBJECTS, padded(request_ids))
    return {
        row.object_id: Done(
            request_id=row.object_id, object=object_of(row), replaced=bool(row.replaced)
        )
        for row in rows
    }


async def recorded(
    connection: AsyncConnection, request_ids: Sequence[UUID]
) -> dict[UUID, Done | Rejected | Dead]:
    """The outcomes of these requests that have rows of their own."""
    rows = await connection.execute(OUTCOMES, padded(request_ids))
    return {outcome.request_id: outcome for outcome in map(outcome_of, rows)}


async def underway(
    connection: AsyncConnection, request_ids: Sequence[UUID]
) -> dict[UUID, Underway]:
    """How far those of the requests are that go on in the background."""
    rows = await connection.execute(PURGES, padded(request_ids))
    return {
        request_id: Underway(request_id=request_id, done=done, total=total)
        for request_id, done, total in rows
    }


async def outcomes_of(
    connection: AsyncConnection, request_ids: Sequence[UUID]
) -> dict[UUID, WriteOutcome]:
    """What is recorded of these requests.

    What comes later is read later, and counts more: a request that is being done meanwhile is
    seen before or after that, and never as unknown.
    """
    found: dict[UUID, WriteOutcome] = {}
    found.update(await underway(connection, request_ids))
    found.update(await recorded(connection, request_ids))
    found.update(await created(connection, request_ids))
    return found
