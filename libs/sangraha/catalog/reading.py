"""Filling the ledger: locks first, then all that the group's entries will be judged against.

However many names and objects a group is about, these are a few statements.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog import queries
from sangraha.catalog.asked import asked_for
from sangraha.catalog.bucket_rows import held_buckets, live_count
from sangraha.catalog.held import BUCKET_LIVE, Held
from sangraha.catalog.ledger import Ledger, NameKey
from sangraha.catalog.locks import Locks
from sangraha.catalog.lookup import padded
from sangraha.catalog.rows import HELD_BUCKET_COLUMNS, held_bucket_of, held_of
from sangraha.catalog.scope import Scope
from sangraha.catalog.versions import LATE, Height, Versions, height

_NONE: Final[tuple[int, Height]] = (0, (0, 0))
_ANY_TIME: Final = datetime.fromtimestamp(0, UTC)


class TargetMovedError(Exception):
    """An object got another name before the locks of its old one were there: begin again."""


class RulesChangedError(Exception):
    """A bucket's row is not the one by which a create was judged: judge it again."""


async def ledger_of(connection: AsyncConnection, scope: Scope) -> Ledger:
    """All that is in the scope, as it stays until the transaction ends.

    Raises TargetMovedError, after which the transaction is to be rolled back and begun again, and
    RulesChangedError.
    """
    return await _Reading(connection, scope).ledger()


class _Reading:
    def __init__(self, connection: AsyncConnection, scope: Scope) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self._scope = scope
        self._ledger = Ledger()
        self._live: dict[NameKey, tuple[int, Height]] = {}

    async def ledger(self) -> Ledger:
        targets = await self._targets()
        for name in self._scope.names | _names_of(targets):
            self._ledger.names[name] = Versions()
        tops = await self._tops()
        await self._read_buckets({held.stored.bucket for held in targets})
        self._check_rules()
        removable = [held for held in targets if held.object_id in self._scope.removed]
        removable += await self._versions_over_the_limit()
        copied = [held for held in targets if held.object_id in self._scope.copied]
        self._ledger.body_sizes = {
            held.location.key: held.body_size for held in (*removable, *copied) if held.location
        }
        self._learn([*targets, *removable, *await self._below(removable), *tops])
        await self._read_floors()
        for name, versions in self._ledger.names.items():
            if name in self._live or not versions.last:
                versions.count(*self._live.get(name, _NONE))
        return self._ledger

    async def _targets(self) -> list[Held]:
        """The objects that entries are about, under the locks of all that the group needs."""
        ids = sorted(self._scope.targets)
        if self._dialect == "sqlite":
            return await self._rows(queries.HELD, ids)
        rows = (await self._connection.execute(queries.PLACES, padded(ids))).all() if ids else []
        locks = self._locks({object_id: (bucket, name) for object_id, bucket, name in rows})
        await locks.take(self._connection)
        targets = await self._rows(queries.HELD, ids)
        places = {held.object_id: (held.stored.bucket, held.stored.name) for held in targets}
        if not locks.cover(self._locks(places)):
            raise TargetMovedError
        return targets

    def _locks(self, places: Mapping[UUID, tuple[str, str | None]]) -> Locks:
        locks = Locks()
        for bucket in self._scope.buckets:
            locks.add_bucket(bucket, exclusive=bucket in self._scope.changed_buckets)
        for bucket, name in self._scope.names:
            locks.add_name(bucket, name)
        for object_id in self._scope.targets:
            place = places.get(object_id)
            if place is not None:
                locks.add_bucket(place[0], exclusive=False)
            if place is None or place[1] is None:
                locks.add_object(object_id)
            else:
                locks.add_name(place[0], place[1])
        return locks

    async def _read_buckets(self, others: Collection[str]) -> None:
        """Those that did not come with the names in them."""
        names = (self._scope.buckets | set(others)) - self._ledger.buckets.keys()
        if names:
            self._ledger.buckets |= await held_buckets(self._connection, names)
        for name in self._scope.deleted_buckets & self._ledger.buckets.keys():
            self._ledger.buckets[name].live = await live_count(self._connection, name)

    async def _versions_over_the_limit(self) -> list[Held]:
        """The lowest versions of names that get another one, where only so many are kept."""
        limited = {
            name
            for name, held in self._ledger.buckets.items()
            if held.bucket.versions_to_keep is not None or name in self._scope.changed_buckets
        }
        names = [key for key in self._scope.names if key[0] in limited]
        if not names:
            return []
        rows = await self._connection.execute(
            queries.lowest_versions(self._dialect), self._asked(names)
        )
        lowest = []
        for live, *row in rows:
            held = held_of(row)
            lowest.append(held)
            name = (held.stored.bucket, held.stored.name or "")
            self._live[name] = max(self._live.get(name, _NONE), (live, height(held)))
        return lowest

    async def _below(self, removable: Iterable[Held]) -> list[Held]:
        ids = sorted({held.object_id for held in removable if held.stands})
        return await self._rows(queries.BELOW, ids)

    def _check_rules(self) -> None:
        for name, revisions in self._scope.judged_by.items():
            held = self._ledger.buckets.get(name)
            if (
                held is None
                or held.state != BUCKET_LIVE
                or any(revision != held.bucket.revision for revision in revisions)
            ):
                raise RulesChangedError

    async def _tops(self) -> list[Held]:
        """What is on top of the names, which are told of with their buckets."""
        if not self._ledger.names:
            return []
        rows = await self._connection.execute(
            queries.tops(self._dialect), self._asked(self._ledger.names)
        )
        tops = []
        for bucket, name, last, self._ledger.now, *row in rows:
            self._ledger.names[bucket, name].last = last
            bucket_row, top = row[: len(HELD_BUCKET_COLUMNS)], row[len(HELD_BUCKET_COLUMNS) :]
            if bucket not in self._ledger.buckets and bucket_row[-1] is not None:
                self._ledger.buckets[bucket] = held_bucket_of(bucket_row)
            if top[0] is not None:
                tops.append(held_of(top))
        return tops

    async def _read_floors(self) -> None:
        """What a version that comes late has to know: those that are late, but for others of the
        group perhaps.
        """
        placed = (held.since for held in self._ledger.objects.values())
        newest = max([self._scope.newest, *placed])
        late = [
            (*name, at)
            for name, times in self._scope.placed.items()
            for at in times
            if at + LATE < newest
        ]
        if not late:
            return
        # Those that may yet go to another name are looked at where they are known to be.
        others = padded(sorted(self._scope.removed))
        parameters = {**asked_for(self._dialect, late), **others}
        rows = await self._connection.execute(queries.floors(self._dialect), parameters)
        for bucket, name, at, floor in rows:
            self._ledger.names[bucket, name].floors[at] = floor

    def _learn(self, rows: Iterable[Held]) -> None:
        for held in rows:
            if held.object_id in self._ledger.objects:
                continue
            self._ledger.objects[held.object_id] = held
            if held.stored.name is not None:
                self._ledger.names[held.stored.bucket, held.stored.name].learn(held)

    async def _rows(self, statement: Select[Any], ids: list[UUID]) -> list[Held]:
        if not ids:
            return []
        rows = await self._connection.execute(statement, padded(ids))
        return [held_of(row) for row in rows]

    def _asked(self, names: Iterable[NameKey]) -> dict[str, Any]:
        return asked_for(self._dialect, [(*name, _ANY_TIME) for name in sorted(names)])


def _names_of(targets: Iterable[Held]) -> set[NameKey]:
    return {
        (held.stored.bucket, held.stored.name) for held in targets if held.stored.name is not None
    }
