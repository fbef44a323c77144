"""Bodies that nothing refers to any more, and which of them may be removed.

A body is released when its last object is deleted, condemned when the sweep decides to remove it,
and removed when the store has. A condemned one is never used again: whoever would commit an object
in it finds that under its row's lock.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Executable,
    Text,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.columns import ROW_NUMBER, DatabaseClock
from sangraha.catalog.identity import now_of
from sangraha.catalog.tables import bodies, dead_letter_bodies, objects
from sangraha.catalog.upsert import insert_for

_LETTERS_LOCK: Final = int.from_bytes(b"letters")


def _among(column: ColumnElement[Any], type_: Any) -> ColumnElement[bool]:
    return column.in_(bindparam("wanted", expanding=True, type_=type_))


# Literally as in the index of live objects by body: only then may the database use it.
_HAS_LIVE_OBJECT: Final = exists().where(
    objects.c.body_id == bodies.c.id, literal_column("objects.state = 'live'")
)
_IS_PINNED: Final = exists().where(dead_letter_bodies.c.key == bodies.c.key)
_IS_NEEDED: Final = and_(
    bodies.c.condemned_at.is_(None), or_(bodies.c.released_at.is_not(None), _HAS_LIVE_OBJECT)
)
_BY_KEY: Final = _among(bodies.c.key, Text())
_BY_ID: Final = _among(bodies.c.id, ROW_NUMBER)
_HOLD_ROWS: Final = select(bodies.c.id).where(_BY_ID).order_by(bodies.c.key).with_for_update()
_NEEDED: Final = select(bodies.c.key).where(_BY_KEY, _IS_NEEDED)
_PINNED: Final = select(dead_letter_bodies.c.key).where(_among(dead_letter_bodies.c.key, Text()))
_CONDEMN: Final = (
    update(bodies)
    .values(condemned_at=func.coalesce(bodies.c.condemned_at, DatabaseClock()))
    .where(_BY_ID, ~_IS_NEEDED)
    .returning(bodies.c.key)
)
_MAY_GO: Final[tuple[ColumnElement[bool], ...]] = (
    # Literally as in the index of released bodies, likewise.
    literal_column("bodies.released_at IS NOT NULL AND bodies.condemned_at IS NULL"),
    bodies.c.released_at <= bindparam("before"),
    ~_HAS_LIVE_OBJECT,
    ~_IS_PINNED,
)
_IN_ORDER: Final = (bodies.c.released_at, bodies.c.id)
_LIST_RELEASED: Final = select(bodies.c.key).where(*_MAY_GO).order_by(*_IN_ORDER)
_HOLD_RELEASED: Final = (
    select(bodies.c.id).where(*_MAY_GO).order_by(*_IN_ORDER).with_for_update(skip_locked=True)
)
_CONDEMN_RELEASED: Final = (
    update(bodies)
    .values(condemned_at=DatabaseClock())
    .where(_BY_ID, *_MAY_GO)
    .returning(bodies.c.key)
)
_REMOVED: Final = (
    update(bodies)
    .values(removed_at=DatabaseClock())
    .where(_BY_KEY, bodies.c.condemned_at.is_not(None))
)


@cache
def _hold(dialect: str) -> Executable:
    # An update that changes nothing locks the row, and RETURNING tells of it too.
    return (
        insert_for(dialect, bodies)
        .values(state="live", size=0, created_at=DatabaseClock())
        .on_conflict_do_update(index_elements=[bodies.c.key], set_={"key": bodies.c.key})
        .returning(bodies.c.id)
    )


async def hold_letters(connection: AsyncConnection, *, shared: bool) -> None:
    """Until the transaction ends no dead letter is recorded while it is judged what they pin.

    Locks of rows are not enough: the body that a letter names may have none yet.
    """
    # SQLite has one writer at a time as it is.
    if connection.dialect.name == "postgresql":
        lock = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
        await connection.execute(select(lock(_LETTERS_LOCK)))


async def hold_rows(connection: AsyncConnection, body_ids: Collection[int]) -> None:
    """Lock the rows of these bodies, in the order of their keys, until the transaction ends."""
    if body_ids:
        await connection.execute(_HOLD_ROWS, {"wanted": sorted(body_ids)})


async def orphans(connection: AsyncConnection, keys: Collection[str]) -> set[str]:
    """Those of the bodies that no object and no dead letter refers to. Released ones are none:
    they have a time of their own.
    """
    if not keys:
        return set()
    wanted = {"wanted": list(keys)}
    needed = await connection.scalars(_NEEDED, wanted)
    pinned = await connection.scalars(_PINNED, wanted)
    return set(keys).difference(needed, pinned)


async def condemn(connection: AsyncConnection, keys: Collection[str]) -> set[str]:
    """Condemn the orphans among the bodies, those without a row included; which they are."""
    await hold_letters(connection, shared=False)
    found = await orphans(connection, keys)
    if not found:
        return set()
    rows = [{"key": key} for key in sorted(found)]
    held = await connection.scalars(_hold(connection.dialect.name), rows)
    # Judged in a statement after the locks: what others committed under them is seen only now.
    return set(await connection.scalars(_CONDEMN, {"wanted": list(held)}))


async def released(
    connection: AsyncConnection, *, older_than_seconds: float, limit: int, after: str | None
) -> list[str]:
    """The bodies that were released so long ago, oldest first, from the one after `after`."""
    statement = _LIST_RELEASED.limit(limit)
    if after is not None:
        there = select(*_IN_ORDER).where(bodies.c.key == after).scalar_subquery()
        statement = statement.where(tuple_(*_IN_ORDER) > there)
    before = await _ago(connection, older_than_seconds)
    return list(await connection.scalars(statement, {"before": before}))


async def condemn_released(
    connection: AsyncConnection, *, older_than_seconds: float, limit: int
) -> list[str]:
    """Condemn some of the bodies that were released so long ago; which they are."""
    await hold_letters(connection, shared=False)
    before = await _ago(connection, older_than_seconds)
    held = list(await connection.scalars(_HOLD_RELEASED.limit(limit), {"before": before}))
    if not held:
        return []
    # Judged once more, as above.
    wanted = {"wanted": held, "before": before}
    return sorted(await connection.scalars(_CONDEMN_RELEASED, wanted))


async def note_removed(connection: AsyncConnection, keys: Collection[str]) -> None:
    """The store has removed these condemned bodies."""
    if keys:
        await connection.execute(_REMOVED, {"wanted": list(keys)})


async def _ago(connection: AsyncConnection, seconds: float) -> datetime:
    return await now_of(connection) - timedelta(seconds=seconds)
