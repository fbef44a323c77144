"""The rows of bodies: locked by whoever puts an object in one, or takes the last one out."""

from collections.abc import Collection, Mapping
from functools import cache
from typing import Final

from sqlalchemy import Executable, bindparam, exists, literal_column, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.columns import DatabaseClock
from sangraha.catalog.held import HeldBody
from sangraha.catalog.tables import bodies, objects
from sangraha.catalog.upsert import insert_for

_AMONG: Final = bodies.c.id.in_(bindparam("body_ids", expanding=True))
_IN_USE: Final = exists().where(
    # Literally as in the index: only then is it used.
    objects.c.body_id == bodies.c.id,
    literal_column("objects.state = 'live'"),
)
_RELEASE: Final = update(bodies).where(_AMONG, ~_IN_USE).values(released_at=DatabaseClock())
_RETAIN: Final = update(bodies).where(_AMONG).values(released_at=None)


@cache
def _hold(dialect: str) -> Executable:
    # An update that changes nothing locks the row, and RETURNING tells of it too.
    return (
        insert_for(dialect, bodies)
        .values(state="live", created_at=DatabaseClock())
        .on_conflict_do_update(index_elements=[bodies.c.key], set_={"key": bodies.c.key})
        .returning(bodies.c.key, bodies.c.id, bodies.c.condemned_at, bodies.c.released_at)
    )


async def hold_bodies(connection: AsyncConnection, sizes: Mapping[str, int]) -> dict[str, HeldBody]:
    """The rows of these keys, made where there are none, and locked in the order of their keys."""
    if not sizes:
        return {}
    rows = await connection.execute(
        _hold(connection.dialect.name), [{"key": key, "size": sizes[key]} for key in sorted(sizes)]
    )
    return {
        key: HeldBody(body_id, condemned_at is not None, released_at is not None)
        for key, body_id, condemned_at, released_at in rows
    }


async def release(connection: AsyncConnection, body_ids: Collection[int]) -> None:
    """Note the time, for those in which there is no live object any more."""
    if body_ids:
        await connection.execute(_RELEASE, {"body_ids": sorted(body_ids)})


async def retain(connection: AsyncConnection, body_ids: Collection[int]) -> None:
    """Forget that they were released: there are objects in them again."""
    if body_ids:
        await connection.execute(_RETAIN, {"body_ids": sorted(body_ids)})
