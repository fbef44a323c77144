"""PostgreSQL as the catalog's database: the engine and its pool of connections."""

from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from sangraha.errors import InvalidConfiguration

POOL_SIZE: Final = 8
"""Connections a process keeps."""
RECYCLE_SECONDS: Final = 1800


def engines(url: str, timeout_seconds: float) -> tuple[AsyncEngine, AsyncEngine]:
    """The engines that write and read postgresql://user:password@host:port/database.

    They share one pool; reads do without the round trips of a transaction.

    asyncpg reads the URL itself, so what it knows of libpq's parameters works: sslmode (or ssl),
    sslrootcert, several hosts. The server ends a session that stays idle inside a transaction: a
    frozen worker would otherwise lock its requests against those who take over.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://",
        connect_args={
            "dsn": dsn_of(url),
            "timeout": timeout_seconds,
            "server_settings": {
                "idle_in_transaction_session_timeout": str(int(timeout_seconds * 1000))
            },
        },
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=timeout_seconds,
        pool_recycle=RECYCLE_SECONDS,
        pool_use_lifo=True,
    )

    # Pre-ping costs three round trips; a socket that the server closed is known without asking.
    @event.listens_for(engine.sync_engine, "checkout")
    def refuse_closed(connection: Any, *_: object) -> None:
        if connection.driver_connection.is_closed():
            raise DisconnectionError("the server closed this connection")

    return engine, engine.execution_options(isolation_level="AUTOCOMMIT")


def dsn_of(url: str) -> str:
    """The URL as asyncpg reads it. Raises InvalidConfiguration where it names no database."""
    parts = urlsplit(url)
    if not parts.path.strip("/"):
        raise InvalidConfiguration("a PostgreSQL catalog needs a database: postgresql://host/name")
    query = [("sslmode" if name == "ssl" else name, text) for name, text in parse_qsl(parts.query)]
    return urlunsplit(parts._replace(query=urlencode(query)))
