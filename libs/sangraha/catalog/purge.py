"""Emptying a bucket that is being purged, a step at a time."""

from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, delete, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.bodies import release
from sangraha.catalog.columns import DatabaseClock
from sangraha.catalog.condemned import hold_rows
from sangraha.catalog.lookup import among, padded
from sangraha.catalog.rows import AnyRow, json_of
from sangraha.catalog.tables import buckets, objects, outcomes, purges
from sangraha.catalog.upsert import insert
from sangraha.messages import Done

_IN_BUCKET: Final = objects.c.bucket == bindparam("bucket")
_NEXT: Final = (
    select(purges.c.request_id, purges.c.bucket)
    .order_by(purges.c.begun_at, purges.c.request_id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
# The one on top goes last: a name with more versions than one step takes is found again by it.
_NAMES: Final = (
    select(objects.c.name)
    .where(_IN_BUCKET, literal_column("objects.is_current AND objects.name IS NOT NULL"))
    .order_by(objects.c.name)
    .limit(bindparam("limit"))
)
_VERSIONS: Final = (
    select(objects.c.object_id, objects.c.state, objects.c.body_id)
    .where(
        _IN_BUCKET,
        objects.c.name.in_(bindparam("names", expanding=True)),
        literal_column("(objects.state = 'live' OR objects.is_marker)"),
        literal_column("objects.name IS NOT NULL"),
    )
    .order_by(objects.c.name, objects.c.rank, objects.c.version)
    .limit(bindparam("limit"))
)
_NAMELESS: Final = (
    select(objects.c.object_id, objects.c.state, objects.c.body_id)
    .where(_IN_BUCKET, literal_column("objects.is_current AND objects.state = 'live'"))
    .limit(bindparam("limit"))
)
_DELETE: Final = (
    update(objects)
    .values(state="deleted", is_marker=False, is_current=objects.c.name.is_(None))
    .where(among(objects.c.object_id))
)


async def purge_step(connection: AsyncConnection, *, limit: int) -> bool:
    """Delete up to `limit` objects of a purged bucket for good, or end its purge if none is left.

    False where there is no purge that nobody else is at work on.
    """
    purge = (await connection.execute(_NEXT)).first()
    if purge is None:
        return False
    rows = await _some_objects(connection, purge.bucket, limit)
    if not rows:
        await _end(connection, purge.request_id, purge.bucket)
        return True
    body_ids = {row.body_id for row in rows if row.body_id is not None}
    await hold_rows(connection, body_ids)
    await connection.execute(_DELETE, padded([row.object_id for row in rows]))
    await release(connection, body_ids)
    removed = sum(row.state == "live" for row in rows)
    await connection.execute(
        update(purges)
        .values(done=purges.c.done + removed)
        .where(purges.c.request_id == purge.request_id)
    )
    return True


async def _some_objects(connection: AsyncConnection, bucket: str, limit: int) -> list[AnyRow]:
    wanted = {"bucket": bucket, "limit": limit}
    if names := list(await connection.scalars(_NAMES, wanted)):
        return list(await connection.execute(_VERSIONS, {**wanted, "names": names}))
    return list(await connection.execute(_NAMELESS, wanted))


async def _end(connection: AsyncConnection, request_id: UUID, bucket: str) -> None:
    """The bucket is gone, and its request done, whatever a dead letter said of it meanwhile."""
    await connection.execute(
        update(buckets)
        .values(state="deleted")
        .where(buckets.c.name == bucket, buckets.c.state == "purging")
    )
    added = insert(connection, outcomes).values(
        request_id=request_id,
        operation="delete-bucket",
        state="done",
        result=json_of(Done(request_id=request_id)),
        completed_at=DatabaseClock(),
    )
    replaced = {name: added.excluded[name] for name in ("state", "result", "completed_at")}
    await connection.execute(
        added.on_conflict_do_update(
            index_elements=[outcomes.c.request_id], set_={**replaced, "problem": None}
        )
    )
    await connection.execute(delete(purges).where(purges.c.request_id == request_id))
