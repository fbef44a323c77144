"""Which failures are the database's and not ours, and which need people. Pure decisions."""

import sqlite3
from typing import Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

PASSING_SQLSTATES: Final = (
    "08",  # connection exception
    "25006",  # read-only transaction: a standby, until it is promoted
    "25P03",  # idle in transaction for too long
    "40",  # serialization failure, deadlock
    "53",  # disk full, out of memory, too many connections
    "55P03",  # lock not available
    "57",  # shutting down, starting up, query cancelled
    "58",  # system and I/O errors
)
HOPELESS_SQLSTATES: Final = (
    "28",  # wrong user or password
    "3D000",  # no such database
    "3F000",  # no schema to make tables in
    "42501",  # not allowed to
)
PASSING_SQLITE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
HOPELESS_SQLITE: Final = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOTADB,
    }
)
HOPELESS_FOLDER: Final = (PermissionError, NotADirectoryError, FileExistsError)


def is_trouble(error: Exception) -> bool:
    """Whether the database is in trouble, and not we mistaken: lost, refused, locked, full, slow,
    damaged. The same call may succeed later, perhaps once people have seen to it.
    """
    if isinstance(error, OSError | PoolTimeoutError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    cause = _driver_error(error)
    # A newer replica changed the schema under a prepared statement; by now it is forgotten.
    if type(cause).__name__ == "InvalidCachedStatementError":
        return True
    return _says(cause, PASSING_SQLSTATES, PASSING_SQLITE) or _is_refusal(cause)


def is_hopeless(error: Exception) -> bool:
    """Whether a start that failed like this will fail until people change something."""
    cause = _driver_error(error)
    # A folder that cannot be made; and what asyncpg says to a URL that it cannot make sense of.
    return isinstance(cause, (*HOPELESS_FOLDER, ValueError)) or _is_refusal(cause)


def is_busy(error: BaseException) -> bool:
    """Whether sqlite3 met the lock of another connection."""
    return _sqlite_code(error) == sqlite3.SQLITE_BUSY


def _driver_error(error: Exception) -> BaseException:
    # SQLAlchemy wraps asyncpg's errors twice, and sqlite3's once.
    orig = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return orig.__cause__ or orig


def _is_refusal(error: BaseException) -> bool:
    return _says(error, HOPELESS_SQLSTATES, HOPELESS_SQLITE)


def _says(error: BaseException, sqlstates: tuple[str, ...], codes: frozenset[int]) -> bool:
    sqlstate = getattr(error, "sqlstate", None) or ""
    return sqlstate.startswith(sqlstates) or _sqlite_code(error) in codes


def _sqlite_code(error: BaseException) -> int | None:
    # The low byte is the error, the others say where.
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
