"""The catalog as the services see it: what became of every request, where every object is.

Each method is one round of SQL, told in the modules beside this one.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from sangraha.catalog import dead_letter, worker
from sangraha.catalog.commit import commit_group
from sangraha.catalog.database import Database
from sangraha.catalog.dead_letter import DeadLetter
from sangraha.catalog.listing import page_of_objects
from sangraha.catalog.lookup import located, outcomes_of
from sangraha.catalog.schema import upgrade
from sangraha.catalog.tables import buckets
from sangraha.catalog.verdict import Expired, NewObject
from sangraha.catalog.worker import Worker, WorkerBeat
from sangraha.errors import CatalogUnavailable
from sangraha.messages import Rejected, WriteOutcome
from sangraha.objects import Location, ObjectPage, ObjectType, StoredObject

__all__ = ["Catalog", "DeadLetter", "Expired", "NewObject", "Worker", "WorkerBeat"]


class Catalog:
    """The catalog at sqlite:///file or postgresql://user:password@host:port/database.

    Every method raises CatalogUnavailable for failures that may pass, within little more than
    `timeout_seconds`; a call that writes may then have happened or not, and may be repeated.

    A create older than `request_life_seconds` by the database's clock is not committed.
    """

    def __init__(
        self, url: str, *, request_life_seconds: float, timeout_seconds: float = 10
    ) -> None:
        """Connects to nothing. Raises InvalidConfiguration for a URL that is none."""
        self._connected = Database(url, timeout_seconds=timeout_seconds)
        self._started = False
        self._life = timedelta(seconds=request_life_seconds)

    async def start(self) -> None:
        """Connect, and make or upgrade the tables; may be called again.

        Raises CatalogUnavailable where trying later may help, else InvalidConfiguration.
        """
        async with self._connected.opening():
            await upgrade(self._connected)
        self._started = True

    @property
    def _database(self) -> Database:
        """The database, whose tables are there. Raises CatalogUnavailable before the start."""
        if not self._started:
            raise CatalogUnavailable("the catalog was not reached yet")
        return self._connected

    async def commit(
        self, outcomes: Sequence[NewObject | Rejected]
    ) -> list[WriteOutcome | Expired]:
        """Commit effects and outcomes in one transaction; what is recorded, in the order given.

        A request that has an outcome keeps it, unless it is dead. A create that no database can
        hold (U+0000 in a name) is rejected. Raises InternalFault, with the member `request_id`,
        if a request is recorded with other content; nothing is committed then.
        """
        if not outcomes:
            return []
        async with self._database.write() as connection:
            return await commit_group(connection, outcomes, life=self._life)

    async def outcome(self, request_id: UUID) -> WriteOutcome | None:
        """What became of the request, None if nothing is recorded."""
        return (await self.outcomes([request_id])).get(request_id)

    async def outcomes(self, request_ids: Sequence[UUID]) -> dict[UUID, WriteOutcome]:
        """What became of those of the requests that have an outcome."""
        async with self._database.read() as connection:
            return await outcomes_of(connection, request_ids)

    async def locate(self, object_ids: Sequence[UUID]) -> dict[UUID, tuple[StoredObject, Location]]:
        """Those of the objects that are live, and where their bytes are."""
        async with self._database.read() as connection:
            return await located(connection, object_ids)

    async def list_objects(
        self,
        *,
        type: ObjectType | None,  # noqa: A002 the field's own name, as in ListObjects
        page: int,
        page_size: int,
    ) -> ObjectPage:
        """A page (from 1) of the default bucket's live objects, newest first."""
        async with self._database.read() as connection:
            return await page_of_objects(connection, of_type=type, page=page, page_size=page_size)

    async def record_dead_letter(self, letter: DeadLetter) -> None:
        """Keep the letter and mark its requests dead, those that have no outcome yet.

        A letter whose id is there already changes nothing.
        """
        async with self._database.write() as connection:
            await dead_letter.record(connection, letter)

    async def dead_letters(self, *, limit: int, before: UUID | None = None) -> list[DeadLetter]:
        """Up to `limit` letters, newest first and without bodies; `before` is the last one of the
        page before.
        """
        async with self._database.read() as connection:
            return await dead_letter.newest(connection, limit=limit, before=before)

    async def dead_letter(self, letter_id: UUID) -> DeadLetter | None:
        """The letter with its body, None if there is none."""
        async with self._database.read() as connection:
            return await dead_letter.one(connection, letter_id)

    async def beat(self, beat: WorkerBeat) -> None:
        """Record what a worker says of itself, at the database's time."""
        async with self._database.write() as connection:
            await worker.record_beat(connection, beat)

    async def forget_worker(self, worker_id: str) -> None:
        """Take a worker that stops cleanly off the list."""
        async with self._database.write() as connection:
            await worker.remove_worker(connection, worker_id)

    async def workers(self) -> list[Worker]:
        """Every worker heard of within a day; the caller decides which of them are lost."""
        async with self._database.read() as connection:
            return await worker.all_workers(connection)

    async def check(self) -> None:
        """Raises CatalogUnavailable unless the database answers."""
        async with self._database.read() as connection:
            await connection.execute(select(buckets.c.name).limit(1))

    async def close(self) -> None:
        """Close all connections; the catalog may be started again."""
        await self._connected.close()
