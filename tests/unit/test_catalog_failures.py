"""The database's trouble, what of it needs people, and mistakes of ours."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from sangraha.catalog.failures import is_busy, is_hopeless, is_trouble


class ServerError(Exception):
    """What the drivers raise for an answer of PostgreSQL's."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


class InvalidCachedStatementError(Exception):
    """Named as asyncpg's."""


def wrapped(driver_error: Exception, *, invalidated: bool = False) -> DBAPIError:
    """As SQLAlchemy raises it: around an error of its own, whose cause is the driver's."""
    emulated = Exception("as SQLAlchemy says it")
    emulated.__cause__ = driver_error
    return DBAPIError("SELECT 1", None, emulated, connection_invalidated=invalidated)


def sqlite_error(statement: str, path: Path | str = ":memory:") -> sqlite3.Error:
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.Error) as caught:
            connection.execute(statement)
        return caught.value


@pytest.mark.parametrize(
    "sqlstate",
    [
        "08006",  # connection_failure
        "25006",  # read_only_sql_transaction
        "25P03",  # idle_in_transaction_session_timeout
        "40P01",  # deadlock_detected
        "53100",  # disk_full
        "53300",  # too_many_connections
        "55P03",  # lock_not_available
        "57014",  # query_canceled
        "57P01",  # admin_shutdown
        "57P03",  # cannot_connect_now
        "58030",  # io_error
    ],
)
def test_a_server_in_trouble_is_trouble(sqlstate: str) -> None:
    assert is_trouble(wrapped(ServerError(sqlstate)))
    assert not is_hopeless(wrapped(ServerError(sqlstate)))


@pytest.mark.parametrize(
    "sqlstate",
    [
        "22021",  # character_not_in_repertoire
        "23505",  # unique_violation
        "25P02",  # in_failed_sql_transaction
        "42601",  # syntax_error
        "42P01",  # undefined_table
    ],
)
def test_a_mistake_of_ours_is_no_trouble_of_the_server(sqlstate: str) -> None:
    assert not is_trouble(wrapped(ServerError(sqlstate)))
    assert not is_hopeless(wrapped(ServerError(sqlstate)))


@pytest.mark.parametrize("sqlstate", ["28P01", "28000", "3D000", "42501"])
def test_a_server_that_refuses_us_is_in_trouble_and_needs_people(sqlstate: str) -> None:
    assert is_trouble(wrapped(ServerError(sqlstate)))
    assert is_hopeless(wrapped(ServerError(sqlstate)))


def test_a_lost_connection_is_trouble_whatever_was_said_last() -> None:
    assert is_trouble(wrapped(Exception("connection is closed"), invalidated=True))
    assert not is_trouble(wrapped(Exception("another operation is in progress")))
    assert is_trouble(ConnectionRefusedError())
    assert is_trouble(PoolTimeoutError())


def test_a_statement_prepared_for_an_older_schema_is_trouble() -> None:
    assert is_trouble(wrapped(InvalidCachedStatementError()))


def test_other_errors_are_mistakes_of_ours() -> None:
    for error in (NoResultFound(), TypeError(), KeyError(), sqlite_error("SELECT nonsense")):
        assert not is_trouble(error)
        assert not is_hopeless(error)


def test_a_locked_file_is_trouble(tmp_path: Path) -> None:
    file = tmp_path / "file.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        error = sqlite_error("BEGIN IMMEDIATE", file)
    assert is_busy(error)
    assert is_trouble(error)
    assert is_trouble(DBAPIError("BEGIN IMMEDIATE", None, error))
    assert not is_hopeless(error)


def test_a_file_that_is_no_database_needs_people(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear grandmother, " * 100)
    error = sqlite_error("SELECT * FROM sqlite_master", tmp_path / "letter")
    assert is_hopeless(DBAPIError("SELECT 1", None, error))
    assert is_trouble(error)


def test_a_folder_or_url_that_will_not_do_needs_people() -> None:
    assert is_hopeless(PermissionError())
    assert is_hopeless(ValueError("invalid literal for a port"))
    assert not is_trouble(ValueError("invalid literal for a port"))
