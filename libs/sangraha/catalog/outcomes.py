"""The rows of outcomes: how every request ended that has no object to say so."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Executable, delete
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.columns import DatabaseClock
from sangraha.catalog.lookup import among, padded
from sangraha.catalog.rows import json_of
from sangraha.catalog.tables import outcomes
from sangraha.catalog.upsert import insert_for
from sangraha.messages import Done, Rejected

_REVIVE: Final = delete(outcomes).where(among(outcomes.c.request_id), outcomes.c.state == "dead")


@cache
def _record(dialect: str) -> Executable:
    added = insert_for(dialect, outcomes).values(completed_at=DatabaseClock())
    # Whoever holds the id of the request can only find that it was dead.
    others = ("operation", "state", "problem", "result", "completed_at")
    return added.on_conflict_do_update(
        index_elements=[outcomes.c.request_id],
        set_={name: added.excluded[name] for name in others},
    )


async def record(
    connection: AsyncConnection, ended: Mapping[UUID, tuple[str, Done | Rejected]]
) -> None:
    """Record how these requests ended, each with its operation."""
    rows = [_row(operation, outcome) for operation, outcome in ended.values()]
    if rows:
        rows.sort(key=lambda row: row["request_id"])
        await connection.execute(_record(connection.dialect.name), rows)


async def revive(connection: AsyncConnection, request_ids: Iterable[UUID]) -> None:
    """Forget that these were dead: something else tells of them now."""
    dead = sorted(request_ids)
    if dead:
        await connection.execute(_REVIVE, padded(dead))


def _row(operation: str, outcome: Done | Rejected) -> dict[str, Any]:
    rejected = isinstance(outcome, Rejected)
    return {
        "request_id": outcome.request_id,
        "operation": operation,
        "state": "rejected" if rejected else "done",
        "problem": json_of(outcome.problem) if isinstance(outcome, Rejected) else None,
        "result": None if rejected else json_of(outcome),
    }
