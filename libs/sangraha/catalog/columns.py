"""Column types and the clock that mean the same on PostgreSQL and SQLite.

What a value means, not where it is kept: the tables are in tables.py.
"""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Text, TypeDecorator
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _NaiveMoment(TypeDecorator[datetime]):
    """SQLite has no time zones: times are kept as UTC without one."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


MOMENT: Final = DateTime(timezone=True).with_variant(_NaiveMoment(), "sqlite")
"""A time in UTC, to the microsecond."""

ROW_NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit number that the database counts up (SQLite only counts a plain INTEGER)."""


BYTEWISE: Final = Text(collation="C").with_variant(Text(), "sqlite")
"""Text that is ordered by its UTF-8 bytes (as SQLite orders all text)."""


class DatabaseClock(FunctionElement[datetime]):
    """The database's own time at this instant, not that of the transaction's begin."""

    type = MOMENT
    inherit_cache = True


@compiles(DatabaseClock, "postgresql")
def _postgresql_clock(element: DatabaseClock, compiler: SQLCompiler, **_: Any) -> str:
    return "clock_timestamp()"


@compiles(DatabaseClock, "sqlite")
def _sqlite_clock(element: DatabaseClock, compiler: SQLCompiler, **_: Any) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f', 'now')"
