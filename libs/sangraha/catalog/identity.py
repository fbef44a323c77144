"""What a catalog is known by, and its time."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.columns import DatabaseClock
from sangraha.catalog.tables import catalog_identity


async def epoch_of(connection: AsyncConnection) -> UUID:
    """The id that was made with this catalog: no other one has it."""
    epoch: UUID = (await connection.execute(select(catalog_identity.c.epoch))).scalar_one()
    return epoch


async def now_of(connection: AsyncConnection) -> datetime:
    """The database's time."""
    now: datetime = (await connection.execute(select(DatabaseClock()))).scalar_one()
    return now
