"""SQLite as the catalog's database: its file, and the engines that write and read it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from sangraha.catalog.failures import is_busy
from sangraha.errors import InvalidConfiguration

READERS: Final = 4
"""Connections a process keeps to read; one more writes."""
BUSY_SHARE: Final = 0.8
"""Of the timeout, the part that SQLite waits for another process's lock before it says so."""


def file_of(url: str) -> Path:
    """The file of sqlite:///relative/path or sqlite:////absolute/path.

    Raises InvalidConfiguration where there is none, as for SQLite in memory.
    """
    parts = urlsplit(url)
    path = unquote(parts.path)[1:]
    if parts.netloc or parts.query or parts.fragment or not path or path == ":memory:":
        raise InvalidConfiguration("an SQLite catalog needs a file: sqlite:///path/to/file.sqlite")
    return Path(path)


def prepare_file(path: Path, timeout_seconds: float) -> None:
    """Make the file and its folder, with the write-ahead log on. Blocks.

    Raises OSError or sqlite3.Error, and InvalidConfiguration where the file system cannot have
    such a log.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Where several processes turn the log on at once, SQLite's own waiting does not help.
    patiently = Retrying(
        retry=retry_if_exception(is_busy),
        stop=stop_after_delay(timeout_seconds * BUSY_SHARE),
        wait=wait_random(0.005, 0.05),
        reraise=True,
    )
    mode = patiently(_turn_log_on, path)
    if mode != "wal":
        raise InvalidConfiguration(f"{path}: SQLite cannot keep a write-ahead log there ({mode})")


def _turn_log_on(path: Path) -> str:
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        return str(mode)


def engines(path: Path, timeout_seconds: float) -> tuple[AsyncEngine, AsyncEngine]:
    """The engine that writes, whose one connection is the queue of all writers, and the one that
    reads beside it.
    """
    writer = _engine(path, timeout_seconds, connections=1)
    reader = _engine(path, timeout_seconds, connections=READERS, only_reads=True)
    # sqlite3 itself would begin late and DEFERRED: two writers could then deadlock.
    event.listen(writer.sync_engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
    return writer, reader


def _engine(
    path: Path, timeout_seconds: float, *, connections: int, only_reads: bool = False
) -> AsyncEngine:
    autocommit: dict[str, Any] = {}
    if only_reads:
        autocommit = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        connect_args={"timeout": timeout_seconds * BUSY_SHARE, "isolation_level": None},
        pool_size=connections,
        max_overflow=0,
        pool_timeout=timeout_seconds,
        **autocommit,
    )
    pragmas = ["PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON"]
    if only_reads:
        pragmas.append("PRAGMA query_only = ON")

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    return engine
