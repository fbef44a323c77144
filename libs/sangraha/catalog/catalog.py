"""The catalog as the services see it: what became of every request, where every object is.

Each method is one round of SQL, told in the modules beside this one.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from sangraha.buckets import Bucket, BucketPage
from sangraha.catalog import condemned, dead_letter, idempotency_keys, redriven, worker
from sangraha.catalog.bucket_listing import page_of_buckets
from sangraha.catalog.bucket_rows import live_buckets
from sangraha.catalog.commit import SettledBeforeError, commit_group
from sangraha.catalog.database import Database
from sangraha.catalog.dead_letter import DeadLetter
from sangraha.catalog.idempotency_keys import Reservation
from sangraha.catalog.identity import epoch_of, now_of
from sangraha.catalog.kept import Kept, Totals, kept_after, totals_of
from sangraha.catalog.letter_filter import (
    EVERY_LETTER,
    LetterFilter,
    LetterPosition,
    LetterState,
)
from sangraha.catalog.listing import page_of_objects
from sangraha.catalog.located import Deleted, Located, NameKey, located, located_by_name
from sangraha.catalog.lookup import outcomes_of
from sangraha.catalog.name_listing import page_of_names
from sangraha.catalog.purge import purge_step
from sangraha.catalog.reading import RulesChangedError, TargetMovedError
from sangraha.catalog.schema import upgrade
from sangraha.catalog.tables import buckets
from sangraha.catalog.verdict import Entry, Expired, NewObject, Swept
from sangraha.catalog.version_listing import page_of_versions
from sangraha.catalog.worker import Worker, WorkerBeat
from sangraha.errors import CatalogUnavailable
from sangraha.messages import ListNames, ListVersions, WriteOutcome
from sangraha.objects import NamePage, ObjectPage, ObjectType, VersionPage

__all__ = [
    "Catalog",
    "DeadLetter",
    "Deleted",
    "Entry",
    "Expired",
    "LetterFilter",
    "LetterPosition",
    "LetterState",
    "Located",
    "NewObject",
    "Reservation",
    "RulesChangedError",
    "Swept",
    "Worker",
    "WorkerBeat",
]


class Catalog:
    """The catalog at sqlite:///file or postgresql://user:password@host:port/database.

    Every method raises CatalogUnavailable for failures that may pass, within little more than
    `timeout_seconds`; a call that writes may then have happened or not, and may be repeated.

    A request older than `request_life_seconds` by the database's clock is not committed.
    """

    def __init__(
        self, url: str, *, request_life_seconds: float, timeout_seconds: float = 10
    ) -> None:
        """Connects to nothing. Raises InvalidConfiguration for a URL that is none."""
        self._connected = Database(url, timeout_seconds=timeout_seconds)
        self._started = False
        self._life = timedelta(seconds=request_life_seconds)

    async def start(self, *, must_exist: bool = False) -> None:
        """Connect, and make or upgrade the tables; may be called again. SQLite's file is made, too,
        unless it `must_exist`.

        Raises CatalogUnavailable where trying later may help, else InvalidConfiguration.
        """
        async with self._connected.opening(must_exist=must_exist):
            await upgrade(self._connected)
        self._started = True

    @property
    def _database(self) -> Database:
        """The database, whose tables are there. Raises CatalogUnavailable before the start."""
        if not self._started:
            raise CatalogUnavailable("the catalog was not reached yet")
        return self._connected

    async def commit(self, entries: Sequence[Entry]) -> list[WriteOutcome | Expired | Swept]:
        """Commit effects and outcomes in one transaction; what is recorded, in the order given.

        Each is judged after the effects of those before it. A request that has an outcome keeps
        it, unless it is dead. One that no database can hold (U+0000 in a name) is rejected.

        Nothing is committed where this raises: InternalFault, with the member `request_id`, if a
        request is recorded with other content; RulesChangedError if a create was judged by another
        row of its bucket than there is.
        """
        settled: Collection[UUID] = ()
        while entries:
            try:
                async with self._database.write() as connection:
                    return await commit_group(
                        connection, entries, life=self._life, settled_before=settled
                    )
            except TargetMovedError:
                continue
            except SettledBeforeError as error:
                settled = error.request_ids
        return []

    async def reserve(self, wanted: Sequence[Reservation]) -> list[UUID]:
        """The requests that these members of one idempotency key stand for, in the order given:
        those wanted, or those of whoever came first with it.

        Raises IdempotencyKeyReused, and reserves nothing, where one stands for something else.
        """
        async with self._database.write() as connection:
            return await idempotency_keys.reserve(connection, wanted)

    async def forget_idempotency_keys(self, limit: int) -> int:
        """Forget up to `limit` old keys whose requests came to an end; how many there were."""
        async with self._database.write() as connection:
            return await idempotency_keys.forget(connection, life=self._life, limit=limit)

    async def buckets(self, names: Collection[str]) -> dict[str, Bucket]:
        """Those of the buckets that there are."""
        async with self._database.read() as connection:
            return await live_buckets(connection, names)

    async def outcome(self, request_id: UUID) -> WriteOutcome | None:
        """What became of the request, None if nothing is recorded."""
        return (await self.outcomes([request_id])).get(request_id)

    async def outcomes(self, request_ids: Sequence[UUID]) -> dict[UUID, WriteOutcome]:
        """What became of those of the requests that have an outcome."""
        async with self._database.read() as connection:
            return await outcomes_of(connection, request_ids)

    async def locate(self, object_ids: Sequence[UUID]) -> dict[UUID, Located | Deleted]:
        """Where the objects are that there are, and which were deleted for good."""
        async with self._database.read() as connection:
            return await located(connection, object_ids)

    async def locate_names(self, names: Sequence[NameKey]) -> dict[NameKey, Located]:
        """Where the objects are that have these names now, or had as those versions."""
        async with self._database.read() as connection:
            return await located_by_name(connection, names)

    async def list_objects(
        self,
        *,
        type: ObjectType | None,  # noqa: A002 the field's own name, as in ListObjects
        page: int,
        page_size: int,
    ) -> ObjectPage:
        """A page (from 1) of the default bucket's current objects, newest first."""
        async with self._database.read() as connection:
            return await page_of_objects(connection, of_type=type, page=page, page_size=page_size)

    async def list_names(self, asked: ListNames) -> NamePage:
        """A page of a bucket's names. A filtered one may have less on it than asked for, even
        nothing, and yet not be the last.

        Raises NotFound where there is no such bucket, and InvalidParameter for a cursor that is
        none and for what no name and no metadata can have.
        """
        async with self._database.read() as connection:
            return await page_of_names(connection, asked)

    async def list_versions(self, asked: ListVersions) -> VersionPage:
        """A page of the versions of a name. Raises NotFound where there is no such bucket or
        nothing of that name, and InvalidParameter for a cursor that is none.
        """
        async with self._database.read() as connection:
            return await page_of_versions(connection, asked)

    async def bucket_page(self, cursor: str | None, limit: int) -> BucketPage:
        """A page of the buckets. Raises InvalidParameter for a cursor that is none."""
        async with self._database.read() as connection:
            return await page_of_buckets(connection, cursor=cursor, limit=limit)

    async def record_dead_letter(self, letter: DeadLetter) -> None:
        """Keep the letter and mark its requests dead, those that have no outcome yet.

        A letter whose id is there already changes nothing.
        """
        async with self._database.write() as connection:
            await dead_letter.record(connection, letter)

    async def dead_letters(
        self,
        wanted: LetterFilter = EVERY_LETTER,
        *,
        limit: int,
        state: LetterState = "waiting",
        after: LetterPosition | None = None,
        oldest_first: bool = False,
    ) -> list[DeadLetter]:
        """Up to `limit` of the letters that are meant, without bodies; `after` is the last one of
        the page before. Raises InvalidParameter for a filter that no letter can match.
        """
        async with self._database.read() as connection:
            return await dead_letter.some(
                connection,
                wanted,
                limit=limit,
                state=state,
                after=after,
                oldest_first=oldest_first,
            )

    async def dead_letter(self, letter_id: UUID) -> DeadLetter | None:
        """The letter with its body, None if there is none."""
        async with self._database.read() as connection:
            return await dead_letter.one(connection, letter_id)

    async def note_redriven(self, letter_id: UUID) -> datetime | None:
        """Note that the letter's message is on its queue again, and when; its requests count as
        accepted again, those that are dead. None where there is no such letter any more.
        """
        async with self._database.write() as connection:
            return await redriven.note_redriven(connection, letter_id)

    async def retire_letters(
        self, limit: int, after: LetterPosition | None = None
    ) -> LetterPosition | None:
        """Let go of those of the next `limit` redriven letters, and of their bodies, whose requests
        are all settled. Where to go on, None if there are no more.
        """
        async with self._database.write() as connection:
            return await redriven.retire(connection, limit=limit, after=after)

    async def delete_dead_letter(self, letter_id: UUID) -> bool:
        """Delete the letter and let go of its bodies; its requests stay dead. False where there is
        none. Raises AlreadyRedriven where its requests are on their way again.
        """
        async with self._database.write() as connection:
            return await redriven.delete_one(connection, letter_id)

    async def delete_dead_letters(self, wanted: LetterFilter, *, limit: int) -> int:
        """Delete up to `limit` of the letters that are meant and wait; how many there were.

        Raises InvalidParameter for a filter that no letter can match.
        """
        async with self._database.write() as connection:
            return await redriven.delete_some(connection, wanted, limit=limit)

    async def kept_after(self, after: UUID | None, limit: int) -> list[Kept]:
        """Up to `limit` live objects, all versions, by id; `after` is the last one before."""
        async with self._database.read() as connection:
            return await kept_after(connection, after, limit)

    async def totals(self) -> Totals:
        """How much there is."""
        async with self._database.read() as connection:
            return await totals_of(connection)

    async def orphans(self, keys: Collection[str]) -> set[str]:
        """What `condemn` would take of these bodies."""
        async with self._database.read() as connection:
            return await condemned.orphans(connection, keys)

    async def condemn(self, keys: Collection[str]) -> set[str]:
        """Those of the bodies, found in the store and old enough, that no object and no dead letter
        refers to: they are to be removed, and nothing is committed in them ever after.
        """
        async with self._database.write() as connection:
            return await condemned.condemn(connection, keys)

    async def released(
        self, older_than_seconds: float, limit: int, after: str | None = None
    ) -> list[str]:
        """What `condemn_released` would take, from the body after `after`."""
        async with self._database.read() as connection:
            return await condemned.released(
                connection, older_than_seconds=older_than_seconds, limit=limit, after=after
            )

    async def condemn_released(self, older_than_seconds: float, limit: int) -> list[str]:
        """Up to `limit` of the bodies whose last object was deleted so long ago, as `condemn`."""
        async with self._database.write() as connection:
            return await condemned.condemn_released(
                connection, older_than_seconds=older_than_seconds, limit=limit
            )

    async def removed(self, keys: Collection[str]) -> None:
        """The store has removed these condemned bodies."""
        async with self._database.write() as connection:
            await condemned.note_removed(connection, keys)

    async def purge_step(self, limit: int) -> bool:
        """Delete up to `limit` objects of a bucket that is purged; False if there is nothing to do,
        or others are at it.
        """
        async with self._database.write() as connection:
            return await purge_step(connection, limit=limit)

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

    async def epoch(self) -> UUID:
        """The id that no other catalog has."""
        async with self._database.read() as connection:
            return await epoch_of(connection)

    async def now(self) -> datetime:
        """The database's time."""
        async with self._database.read() as connection:
            return await now_of(connection)

    async def check(self) -> None:
        """Raises CatalogUnavailable unless the database answers."""
        async with self._database.read() as connection:
            await connection.execute(select(buckets.c.name).limit(1))

    async def close(self) -> None:
        """Close all connections; the catalog may be started again."""
        await self._connected.close()
