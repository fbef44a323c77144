"""Groups and their order: a group is as its requests one by one, however it is put together."""

import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from sangraha.catalog.catalog import Catalog, Entry
from sangraha.catalog.database import Database
from tests.contract.catalog_suite import CatalogSuite
from tests.contract.catalog_writes import RandomWrites

TABLES = {
    "objects": "object_id, request_id, bucket, name, version, metadata, revision, state,"
    " is_current, is_marker, rank, replaced, sha256",
    "outcomes": "request_id, operation, state",
    "buckets": "name, state, revision, versions_to_keep",
    "purges": "request_id, bucket, done, total",
}
FLAWS = {
    "two on top": "SELECT bucket, name FROM objects WHERE is_current AND name IS NOT NULL"
    " GROUP BY bucket, name HAVING count(*) > 1",
    "a version twice": "SELECT bucket, name FROM objects WHERE name IS NOT NULL"
    " GROUP BY bucket, name, version HAVING count(*) > 1",
    "none on top, or not the highest": "SELECT name FROM objects AS each"
    " WHERE (state = 'live' OR is_marker) AND name IS NOT NULL AND is_current = EXISTS"
    " (SELECT 1 FROM objects AS other WHERE other.bucket = each.bucket"
    " AND other.name = each.name AND (other.state = 'live' OR other.is_marker)"
    " AND (other.rank > each.rank"
    " OR (other.rank = each.rank AND other.version > each.version)))",
    "a dead one on top": "SELECT name FROM objects WHERE is_current AND name IS NOT NULL"
    " AND state <> 'live' AND NOT is_marker",
    "a placeholder left": "SELECT object_id FROM objects WHERE content_type = '' AND name IS NULL",
    "live in a dead bucket": "SELECT object_id FROM objects JOIN buckets"
    " ON buckets.name = objects.bucket"
    " WHERE buckets.state = 'deleted' AND (objects.state = 'live' OR is_marker)",
    "live without a body": "SELECT object_id FROM objects WHERE state = 'live' AND body_id IS NULL",
    "a used body released": "SELECT id FROM bodies WHERE released_at IS NOT NULL AND EXISTS"
    " (SELECT 1 FROM objects WHERE body_id = bodies.id AND objects.state = 'live')",
    "an unused body not released": "SELECT id FROM bodies WHERE released_at IS NULL"
    " AND EXISTS (SELECT 1 FROM objects WHERE body_id = bodies.id)"
    " AND NOT EXISTS"
    " (SELECT 1 FROM objects WHERE body_id = bodies.id AND objects.state = 'live')",
}


async def all_rows(database: Database) -> dict[str, Any]:
    """What the tables hold."""
    found = {}
    async with database.read() as connection:
        for table, columns in TABLES.items():
            rows = await connection.execute(text(f"SELECT {columns} FROM {table} ORDER BY 1"))
            found[table] = [tuple(row) for row in rows]
    return found


async def flaws(database: Database) -> dict[str, Any]:
    """What must never be in the tables, and is."""
    found = {}
    async with database.read() as connection:
        for flaw, question in FLAWS.items():
            if rows := (await connection.execute(text(question))).all():
                found[flaw] = rows
    return found


async def wipe(database: Database) -> None:
    """Empty the tables, but for the default bucket."""
    async with database.write() as connection:
        for table in ("objects", "bodies", "outcomes", "purges"):
            await connection.execute(text(f"DELETE FROM {table}"))
        await connection.execute(text("DELETE FROM buckets WHERE name <> 'default'"))
        await connection.execute(
            text("UPDATE buckets SET revision = 1, versions_to_keep = NULL, state = 'live'")
        )


async def commit_in_groups(
    catalog: Catalog, entries: Sequence[Entry], group_size: int
) -> list[Any]:
    answers: list[Any] = []
    for start in range(0, len(entries), group_size):
        answers += await catalog.commit(entries[start : start + group_size])
    return answers


class OrderContract(CatalogSuite):
    """The order of requests counts, their grouping does not."""

    @pytest.mark.parametrize("seed", range(8))
    async def test_a_group_comes_to_the_same_as_its_requests_one_by_one(
        self, catalog: Catalog, database: Database, seed: int
    ) -> None:
        entries = RandomWrites(seed).some(120)
        alone = await commit_in_groups(catalog, entries, 1)
        rows = await all_rows(database)
        assert await flaws(database) == {}
        for group_size in (len(entries), 7):
            await wipe(database)
            assert await commit_in_groups(catalog, entries, group_size) == alone
            assert await all_rows(database) == rows
            assert await flaws(database) == {}

    @pytest.mark.parametrize("seed", range(100, 104))
    async def test_whatever_is_delivered_again_changes_nothing(
        self, catalog: Catalog, database: Database, seed: int
    ) -> None:
        entries = RandomWrites(seed).some(80)
        answers = await commit_in_groups(catalog, entries, 10)
        rows = await all_rows(database)
        again = await commit_in_groups(catalog, entries, 16)
        assert await all_rows(database) == rows
        for before, after in zip(answers, again, strict=True):
            assert type(after) is type(before)
            assert msgspec.to_builtins(after)["request_id"] == str(before.request_id)
        assert await catalog.outcomes([e.request_id for e in entries]) == {
            answer.request_id: answer for answer in again
        }

    @pytest.mark.parametrize("seed", range(200, 206))
    async def test_nor_does_it_change_what_comes_with_it(
        self, catalog: Catalog, database: Database, seed: int
    ) -> None:
        entries = RandomWrites(seed).some(120)
        alone = await commit_in_groups(catalog, entries, 10)
        rows = await all_rows(database)
        await wipe(database)
        choice = random.Random(seed)
        for start in range(0, len(entries), 10):
            fresh = entries[start : start + 10]
            again = choice.sample(entries[:start], min(start, 5))
            # Each somewhere, and the fresh ones in their order.
            group = list(fresh)
            for entry in again:
                group.insert(choice.randint(0, len(group)), entry)
            told = {outcome.request_id: outcome for outcome in await catalog.commit(group)}
            assert [told[entry.request_id] for entry in fresh] == alone[start : start + 10]
        assert await all_rows(database) == rows
        assert await flaws(database) == {}
