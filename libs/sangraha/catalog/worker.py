"""Workers as they tell of themselves: one row each, refreshed by every beat."""

from datetime import datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.columns import DatabaseClock
from sangraha.catalog.tables import workers
from sangraha.catalog.upsert import insert

GONE_AFTER: Final = timedelta(days=1)
"""A worker silent for longer leaves the list."""


class WorkerBeat(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of itself: `in_flight` requests now, `done` since `started_at`."""

    worker_id: str
    host: str
    pid: int
    started_at: datetime
    in_flight: int
    done: int


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's last beat, and how long ago that was by the database's clock."""

    worker_id: str
    host: str
    pid: int
    started_at: datetime
    in_flight: int
    done: int
    last_beat_at: datetime
    age_seconds: float


async def record_beat(connection: AsyncConnection, beat: WorkerBeat) -> None:
    """Make or refresh the worker's row, and drop those of workers long gone."""
    values = {**msgspec.structs.asdict(beat), "last_beat_at": DatabaseClock()}
    statement = insert(connection, workers).values(values)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=[workers.c.worker_id],
            set_={name: statement.excluded[name] for name in values},
        )
    )
    now = (await connection.execute(select(DatabaseClock()))).scalar_one()
    await connection.execute(delete(workers).where(workers.c.last_beat_at < now - GONE_AFTER))


async def all_workers(connection: AsyncConnection) -> list[Worker]:
    """Every worker that said something within GONE_AFTER and did not say goodbye, oldest first."""
    clock = DatabaseClock().label("clock")
    rows = await connection.execute(
        select(*workers.c, clock).order_by(workers.c.started_at, workers.c.worker_id)
    )
    found = []
    for row in rows.mappings():
        fields = dict(row)
        age = fields.pop("clock") - fields["last_beat_at"]
        if age <= GONE_AFTER:
            found.append(Worker(**fields, age_seconds=age.total_seconds()))
    return found


async def remove_worker(connection: AsyncConnection, worker_id: str) -> None:
    """Take the worker off the list."""
    await connection.execute(delete(workers).where(workers.c.worker_id == worker_id))
