"""INSERT … ON CONFLICT, which SQLAlchemy has once for each dialect."""

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


def insert(connection: AsyncConnection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert of the connection's dialect that can say what to do on a conflict."""
    return insert_for(connection.dialect.name, table)


def insert_for(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """The same by the dialect's name, for statements that are made once and kept."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
