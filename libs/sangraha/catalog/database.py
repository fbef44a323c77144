"""The connection to PostgreSQL or SQLite: reads, writes and their failures, bounded in time.

Knows no table: what is asked is in the modules beside it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog import on_postgresql, on_sqlite
from sangraha.catalog.failures import is_hopeless, is_trouble
from sangraha.errors import CatalogUnavailable, InvalidConfiguration


class Database:
    """One database. What it fails at is raised as CatalogUnavailable, our mistakes as they are."""

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        """Raises InvalidConfiguration for a URL that is none of a catalog's."""
        self._timeout_seconds = timeout_seconds
        self._file: Path | None = None
        scheme = urlsplit(url).scheme
        if scheme == "sqlite":
            self._file = on_sqlite.file_of(url)
            self._writer, self._reader = on_sqlite.engines(self._file, timeout_seconds)
        elif scheme in ("postgresql", "postgres"):
            self._writer, self._reader = on_postgresql.engines(url, timeout_seconds)
        else:
            raise InvalidConfiguration(
                f"the catalog's URL starts with sqlite: or postgresql:, not {scheme}:"
            )

    @property
    def is_sqlite(self) -> bool:
        """Whether there is one writer at a time anyway."""
        return self._file is not None

    @asynccontextmanager
    async def opening(self, *, must_exist: bool = False) -> AsyncIterator[None]:
        """For the start: makes SQLite's file if need be. Failures that no waiting mends are
        raised as InvalidConfiguration in here.
        """
        try:
            if self._file is not None:
                if must_exist and not await asyncio.to_thread(self._file.exists):
                    raise InvalidConfiguration(f"there is no catalog at {self._file}")
                async with self._bounded(self._timeout_seconds):
                    await asyncio.to_thread(
                        on_sqlite.prepare_file, self._file, self._timeout_seconds
                    )
            yield
        except CatalogUnavailable as error:
            if isinstance(error.__cause__, Exception) and is_hopeless(error.__cause__):
                raise InvalidConfiguration(error.detail) from error
            raise
        except Exception as error:
            if is_hopeless(error):
                raise InvalidConfiguration(f"the catalog failed: {_reason(error)}") from error
            raise

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection whose statements stand alone: no transaction, no round trips for one."""
        async with self._bounded(self._timeout_seconds), self._reader.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self, timeout_seconds: float | None = None) -> AsyncIterator[AsyncConnection]:
        """A transaction, committed at the end of the block and rolled back by any error."""
        bound = timeout_seconds or self._timeout_seconds
        async with self._bounded(bound), self._writer.begin() as connection:
            yield connection

    async def close(self) -> None:
        """Close all connections."""
        await self._writer.dispose()
        await self._reader.dispose()

    @asynccontextmanager
    async def _bounded(self, seconds: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise CatalogUnavailable(f"the catalog did not answer within {seconds:g} s") from error
        except Exception as error:
            if is_trouble(error):
                raise CatalogUnavailable(f"the catalog failed: {_reason(error)}") from error
            raise


def _reason(error: Exception) -> str:
    return str(getattr(error, "orig", error)).partition("\n")[0] or type(error).__name__
