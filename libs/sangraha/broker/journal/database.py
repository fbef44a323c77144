"""The journal's SQLite file: its tables, how it is opened, and one transaction at a time.

Every call blocks and belongs in the one thread of journal/writer.py.
"""

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from sangraha.broker.journal.folder_lock import FolderLock
from sangraha.broker.journal.operations import (
    Count,
    Delete,
    Insert,
    Kept,
    Move,
    Operation,
    decode_fault,
    decode_properties,
)
from sangraha.broker.topology import MIB
from sangraha.errors import InvalidConfiguration

SCHEMA_VERSION: Final = 1

# Bodies are apart: counting a delivery then rewrites a few dozen bytes, not the whole message.
_SCHEMA: Final = (
    """CREATE TABLE messages (
        id INTEGER PRIMARY KEY,
        queue TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        deliveries INTEGER NOT NULL,
        size INTEGER NOT NULL,
        properties BLOB NOT NULL,
        fault BLOB
    )""",
    "CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

_SELECT: Final = (
    "SELECT id, queue, sequence, deliveries, size, properties, fault FROM messages"
    " ORDER BY sequence"
)
_INSERT_MESSAGE: Final = (
    "INSERT OR REPLACE INTO messages (id, queue, sequence, deliveries, size, properties)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_INSERT_BODY: Final = "INSERT OR REPLACE INTO bodies (id, body) VALUES (?, ?)"
_COUNT: Final = "UPDATE messages SET deliveries = ? WHERE id = ?"
_SELECT_BODY: Final = "SELECT body FROM bodies WHERE id = ?"
_MOVE: Final = "UPDATE messages SET queue = ?, sequence = ?, deliveries = 0, fault = ? WHERE id = ?"
_DELETE_MESSAGE: Final = "DELETE FROM messages WHERE id = ?"
_DELETE_BODY: Final = "DELETE FROM bodies WHERE id = ?"

_PRAGMAS: Final = (
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 8192",
    f"PRAGMA journal_size_limit = {64 * MIB}",
)

_NEVER: Final = frozenset(
    {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}
)
_NOTHING_WRITTEN: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL})


class CommitUncertain(Exception):
    """The commit failed in a way that may have left the transaction in the file."""


class Database:
    """The file. After a failure the same operations may be applied again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FolderLock(path.with_name(path.name + ".lock"))
        self._connection: sqlite3.Connection | None = None

    def open(self) -> list[Kept]:
        """Lock, and open or make the file; what it holds, in the order of the queues.

        Raises InvalidConfiguration where another process has it or it will never work,
        sqlite3.Error where it may work later.
        """
        self._lock.acquire()
        connection: sqlite3.Connection | None = None
        try:
            # A locked file is tried again by the writer, which knows about deadlines.
            connection = sqlite3.connect(
                self._path, timeout=0, isolation_level=None, check_same_thread=False
            )
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise InvalidConfiguration(f"{self._path.parent} cannot hold a write-ahead log")
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            self._make_tables(connection)
            kept = [_kept(row) for row in connection.execute(_SELECT)]
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, msgspec.DecodeError) or (
                isinstance(error, sqlite3.Error) and _primary(error) in _NEVER
            ):
                raise InvalidConfiguration(
                    f"{self._path} cannot be used as a journal: {error}"
                ) from error
            raise
        self._connection = connection
        return kept

    def commit(self, operations: Sequence[Operation]) -> dict[int, bytes]:
        """Apply all of them in one transaction; the bodies that were to be read, by id.

        Without operations, tries whether writing works. Raises sqlite3.Error where nothing of
        it happened, CommitUncertain where that is not sure.
        """
        connection = self._connection
        if connection is None:
            raise sqlite3.ProgrammingError("the journal is not open")
        connection.execute("BEGIN IMMEDIATE")
        try:
            bodies = _apply(connection, operations)
        except BaseException:
            _roll_back(connection)
            _make_room(connection)
            raise
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(connection)
            _make_room(connection)
            if _primary(error) in _NOTHING_WRITTEN:
                raise
            raise CommitUncertain(str(error)) from error
        return bodies

    def close(self) -> None:
        """Write everything into the main file, close and unlock it. May be called twice."""
        try:
            if self._connection is not None:
                connection, self._connection = self._connection, None
                connection.close()
        finally:
            self._lock.release()

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == SCHEMA_VERSION:
            return
        if version != 0:
            raise InvalidConfiguration(
                f"{self._path} is a journal of version {version};"
                f" this release knows version {SCHEMA_VERSION}"
            )
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("COMMIT")
        except BaseException:
            _roll_back(connection)
            raise


def _kept(row: tuple[int, str, int, int, int, bytes, bytes | None]) -> Kept:
    id_, queue, sequence, deliveries, size, properties, fault = row
    return Kept(
        id=id_,
        queue=queue,
        sequence=sequence,
        deliveries=deliveries,
        size=size,
        properties=decode_properties(properties),
        fault=None if fault is None else decode_fault(fault),
    )


def _apply(connection: sqlite3.Connection, operations: Sequence[Operation]) -> dict[int, bytes]:
    bodies: dict[int, bytes] = {}
    if not operations:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    for each in operations:
        match each:
            case Insert():
                size = len(each.body)
                row = (each.id, each.queue, each.id, each.deliveries, size, each.properties)
                connection.execute(_INSERT_MESSAGE, row)
                connection.execute(_INSERT_BODY, (each.id, each.body))
            case Count():
                connection.execute(_COUNT, (each.deliveries, each.id))
                if each.read_body:
                    found = connection.execute(_SELECT_BODY, (each.id,)).fetchone()
                    if found is None:
                        raise sqlite3.DatabaseError(f"the body of message {each.id} is missing")
                    bodies[each.id] = found[0]
            case Move():
                connection.execute(_MOVE, (each.queue, each.sequence, each.fault, each.id))
            case Delete():
                connection.execute(_DELETE_MESSAGE, (each.id,))
                connection.execute(_DELETE_BODY, (each.id,))
    return bodies


def _roll_back(connection: sqlite3.Connection) -> None:
    # Many failures have rolled back already; a further one must not hide the first.
    with contextlib.suppress(sqlite3.Error):
        connection.execute("ROLLBACK")


def _make_room(connection: sqlite3.Connection) -> None:
    # A log that is all in the main file is written over from its start: on a full disk,
    # messages can then be removed, which makes room.
    with contextlib.suppress(sqlite3.Error):
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _primary(error: sqlite3.Error) -> int:
    """SQLite's primary result code, without the extension."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
