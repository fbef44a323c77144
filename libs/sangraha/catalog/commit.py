"""The transaction that commits a group of requests: effects and outcomes, all or nothing.

Every request, also a refused one, first claims its id in `objects`, where the primary key makes
any other commit of the same request wait. Only then is read what earlier ones recorded, so
whoever comes second sees it all. Refused requests then give their claim up for an outcome row.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final
from uuid import UUID

from sqlalchemy import Executable, delete
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.columns import DatabaseClock
from sangraha.catalog.lookup import among, created, padded, refused_or_dead
from sangraha.catalog.rows import json_of, object_row, placeholder_row
from sangraha.catalog.tables import bodies, objects, outcomes
from sangraha.catalog.upsert import insert_for
from sangraha.catalog.verdict import (
    Entry,
    Expired,
    NewObject,
    check_same_content,
    storable,
    verdict,
)
from sangraha.catalog.versions import with_versions
from sangraha.messages import Dead, Done, Rejected, WriteOutcome

_GIVE_UP: Final = delete(objects).where(among(objects.c.object_id))
_REVIVE: Final = delete(outcomes).where(among(outcomes.c.request_id), outcomes.c.state == "dead")


@cache
def _add_bodies(dialect: str) -> Executable:
    # An update that changes nothing locks the row, and RETURNING tells of it too.
    return (
        insert_for(dialect, bodies)
        .values(state="live", created_at=DatabaseClock())
        .on_conflict_do_update(index_elements=[bodies.c.key], set_={"key": bodies.c.key})
        .returning(bodies.c.key, bodies.c.id)
    )


@cache
def _claim(dialect: str) -> Executable:
    return (
        insert_for(dialect, objects)
        .on_conflict_do_nothing(index_elements=[objects.c.object_id])
        .returning(objects.c.object_id, DatabaseClock())
    )


@cache
def _refuse(dialect: str) -> Executable:
    added = insert_for(dialect, outcomes).values(
        operation="create", state="rejected", completed_at=DatabaseClock()
    )
    # Under the claim, only a dead outcome can be there still.
    replaced = {name: added.excluded[name] for name in ("state", "problem", "completed_at")}
    return added.on_conflict_do_update(index_elements=[outcomes.c.request_id], set_=replaced)


async def commit_group(
    connection: AsyncConnection, given: Sequence[Entry], *, life: timedelta
) -> list[WriteOutcome | Expired]:
    """Commit the group inside the connection's transaction; outcomes in the order given.

    Raises InternalFault if a request is recorded with other content.
    """
    entries: dict[UUID, Entry] = {}
    for entry in given:
        entries.setdefault(entry.request_id, storable(entry))
    # In one order everywhere: groups that share requests then wait, and never deadlock.
    entries = {request_id: entries[request_id] for request_id in sorted(entries)}
    entries = await with_versions(connection, entries)

    claimed, now = await _claim_ids(connection, entries)
    earlier = await refused_or_dead(connection, list(entries))
    others = [request_id for request_id in entries if request_id not in claimed]
    recorded = await created(connection, others) if others else {}

    settled = {
        request_id: verdict(
            entry,
            recorded=recorded.get(request_id),
            earlier=earlier.get(request_id),
            now=now,
            life=life,
        )
        for request_id, entry in entries.items()
    }
    for entry in given:
        check_same_content(entry, settled)
    await _apply(connection, settled, claimed, earlier)
    return [settled[entry.request_id] for entry in given]


async def _claim_ids(
    connection: AsyncConnection, entries: Mapping[UUID, Entry]
) -> tuple[set[UUID], datetime]:
    """Insert the rows; which ids are ours by that, and the database's time."""
    dialect = connection.dialect.name
    sizes = {
        entry.location.key: entry.body_size
        for entry in entries.values()
        if isinstance(entry, NewObject)
    }
    body_ids: dict[str, int] = {}
    if sizes:
        added = await connection.execute(
            _add_bodies(dialect), [{"key": key, "size": sizes[key]} for key in sorted(sizes)]
        )
        body_ids = dict(iter(added))
    rows = [
        object_row(entry.object, entry.location, body_ids[entry.location.key])
        if isinstance(entry, NewObject)
        else placeholder_row(entry.request_id)
        for entry in entries.values()
    ]
    claims = (await connection.execute(_claim(dialect), rows)).all()
    long_ago = datetime.min.replace(tzinfo=UTC)
    now: datetime = max((moment for _, moment in claims), default=long_ago)
    return {request_id for request_id, _ in claims}, now


async def _apply(
    connection: AsyncConnection,
    settled: Mapping[UUID, WriteOutcome | Expired],
    claimed: set[UUID],
    earlier: Mapping[UUID, Rejected | Dead],
) -> None:
    """Make the rows say what was settled; nothing to do where all was created."""
    given_up = [i for i in settled if i in claimed and not isinstance(settled[i], Done)]
    if given_up:
        await connection.execute(_GIVE_UP, padded(given_up))
    refused = [
        {"request_id": request_id, "problem": json_of(outcome.problem)}
        for request_id, outcome in settled.items()
        if isinstance(outcome, Rejected) and not isinstance(earlier.get(request_id), Rejected)
    ]
    if refused:
        await connection.execute(_refuse(connection.dialect.name), refused)
    revived = [i for i, outcome in settled.items() if i in earlier and isinstance(outcome, Done)]
    if revived:
        await connection.execute(_REVIVE, padded(revived))
