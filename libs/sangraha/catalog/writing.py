"""Making the rows say what the ledger says: only what changed, a statement for each kind. What is
new is in claims.py.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Executable, bindparam, insert, literal_column, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.bodies import release, retain
from sangraha.catalog.bucket_rows import put_buckets
from sangraha.catalog.columns import DatabaseClock
from sangraha.catalog.held import Held, Stand
from sangraha.catalog.ledger import Ledger
from sangraha.catalog.lookup import among, padded
from sangraha.catalog.tables import objects, purges

_THESE: Final = update(objects).where(among(objects.c.object_id))
_SINK: Final = _THESE.values(is_current=False)
_RISE: Final = _THESE.values(is_current=True, risen_at=DatabaseClock())
_DELETE: Final = _THESE.values(state="deleted")
_UNMARK: Final = _THESE.values(is_marker=False)
_CHANGE: Final = update(objects).where(objects.c.object_id == bindparam("this"))
_CLEAR: Final = (
    update(objects)
    .where(
        objects.c.bucket.in_(bindparam("names", expanding=True)),
        literal_column("is_marker"),
        # Literally as in the index: only then is it used.
        literal_column("(state = 'live' OR is_marker)"),
        literal_column("name IS NOT NULL"),
    )
    .values(is_marker=False, is_current=False)
)
_BEGIN_PURGES: Final = insert(purges).values(done=0, begun_at=DatabaseClock())


async def write_changes(connection: AsyncConnection, ledger: Ledger) -> None:
    """Write what changed of the rows that were read.

    Whatever ceases to be current does so before something else becomes it: no name has two.
    """
    await _write_buckets(connection, ledger)
    changed = [
        (held, held.before, held.stand)
        for held in ledger.objects.values()
        if held.before is not None and held.before != held.stand
    ]

    async def update_where(
        statement: Executable, condition: Callable[[Stand, Stand], bool]
    ) -> None:
        ids = sorted(held.object_id for held, before, now in changed if condition(before, now))
        if ids:
            await connection.execute(statement, padded(ids))

    await update_where(
        _SINK,
        lambda before, now: before.is_current and not (now.is_current and _stays(before, now)),
    )
    await update_where(_DELETE, lambda before, now: before.live and not now.live)
    await update_where(_UNMARK, lambda before, now: before.is_marker and not now.is_marker)
    others = [held for held, before, now in changed if not _only_stands_otherwise(before, now)]
    if others:
        await connection.execute(_CHANGE, [_change(held, ledger.now) for held in others])
    await update_where(
        _RISE,
        lambda before, now: (
            now.is_current and not before.is_current and _only_stands_otherwise(before, now)
        ),
    )


async def _write_buckets(connection: AsyncConnection, ledger: Ledger) -> None:
    held = ledger.buckets.values()
    emptied = sorted(one.bucket.name for one in held if one.was_emptied)
    if emptied:
        await connection.execute(_CLEAR, {"names": emptied})
    await put_buckets(connection, [one for one in held if one.is_changed])


async def begin_purges(connection: AsyncConnection, ledger: Ledger) -> None:
    """Have the buckets emptied that are to be."""
    begun = [
        {"request_id": one.request_id, "bucket": one.bucket, "total": one.total}
        for one in ledger.purges
    ]
    if begun:
        await connection.execute(_BEGIN_PURGES, begun)


async def settle_bodies(connection: AsyncConnection, ledger: Ledger) -> None:
    """Tell when the last object in a body goes, and when there is one again."""
    left: set[int] = set()
    entered: set[int] = set()
    for held in ledger.objects.values():
        if held.location is None:
            continue
        was_live = held.before is not None and held.before.live
        if held.live == was_live and held.before is not None:
            continue
        body = ledger.bodies[held.location.key]
        if not held.live:
            left.add(body.body_id)
        elif body.was_released:
            entered.add(body.body_id)
    await retain(connection, entered)
    await release(connection, left)


def _stays(before: Stand, now: Stand) -> bool:
    """Whether it is at the place where it was."""
    return (before.bucket, before.name, before.version) == (now.bucket, now.name, now.version)


def _only_stands_otherwise(before: Stand, now: Stand) -> bool:
    """Whether nothing changed that needs a statement of its own."""
    return _stays(before, now) and before.revision == now.revision


def _change(held: Held, now: datetime | None) -> Mapping[str, Any]:
    before = held.before
    was_there = before is not None and before.is_current and _stays(before, held.stand)
    return {
        "this": held.object_id,
        "bucket": held.stored.bucket,
        "name": held.stored.name,
        "version": held.stored.version,
        "rank": held.rank,
        "is_current": held.is_current,
        "metadata": held.stored.metadata,
        "revision": held.revision,
        "placed_at": held.placed_at,
        "risen_at": now if held.is_current and not was_there else held.risen_at,
    }
