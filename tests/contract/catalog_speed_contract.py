"""How many statements a commit takes: a fixed number, however large the group is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from sangraha.buckets import BucketSettings
from sangraha.catalog.catalog import Catalog, Entry
from sangraha.messages import CreateBucket, DeleteName, DeleteObject, MoveObject, PatchBucket
from tests.contract.catalog_samples import MINT, id_made, new_object
from tests.contract.catalog_suite import CatalogSuite, done


@contextmanager
def statements() -> Iterator[list[str]]:
    """Those that are executed meanwhile, but for the begin of a transaction."""
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: object) -> None:
        if not statement.startswith("BEGIN"):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def cost(catalog: Catalog, entries: Sequence[Entry]) -> int:
    """How many statements the commit takes."""
    with statements() as seen:
        await catalog.commit(entries)
    return len(seen)


class SpeedContract(CatalogSuite):
    """Names and objects are locked, read and written together, not one by one."""

    @pytest.mark.parametrize("count", [1, 300])
    async def test_nameless_creates_take_three_statements(
        self, catalog: Catalog, count: int
    ) -> None:
        assert await cost(catalog, [new_object() for _ in range(count)]) == 3

    async def test_in_another_bucket_they_take_two_more_for_it(self, catalog: Catalog) -> None:
        make = CreateBucket(request_id=MINT.new(), bucket="photos", settings=BucketSettings())
        await done(catalog, make)
        assert await cost(catalog, [new_object(bucket="photos") for _ in range(9)]) <= 5

    async def test_new_names_take_as_many_for_a_hundred_as_for_one(self, catalog: Catalog) -> None:
        one = await cost(catalog, [new_object(name="one")])
        assert one <= 5
        many = [new_object(name=f"name {number}") for number in range(100)]
        assert await cost(catalog, many) == one

    async def test_so_do_new_versions(self, catalog: Catalog) -> None:
        names = [f"name {number}" for number in range(100)]
        await catalog.commit([new_object(name=name) for name in names])
        one = await cost(catalog, [new_object(name="name 1")])
        assert one <= 6
        assert await cost(catalog, [new_object(name=name) for name in names]) == one
        late = [new_object(id_made(60), name=name) for name in names]
        assert await cost(catalog, late) <= one + 1

    async def test_so_do_new_versions_where_few_are_kept(self, catalog: Catalog) -> None:
        patch = PatchBucket(
            request_id=MINT.new(), bucket="default", changes={"versions_to_keep": 1}
        )
        await done(catalog, patch)
        names = [f"name {number}" for number in range(100)]
        await catalog.commit([new_object(name=name) for name in names])
        one = await cost(catalog, [new_object(name="name 1")])
        assert one <= 12
        assert await cost(catalog, [new_object(name=name) for name in names]) == one

    async def test_so_do_deletes_and_moves(self, catalog: Catalog) -> None:
        group = [new_object(name=f"name {number}") for number in range(90)]
        await catalog.commit([*group, *(new_object(name=new.object.name) for new in group)])
        costs: dict[str, list[int]] = {"delete": [], "delete-name": [], "move": []}
        for few in (group[:1], group[1:30]):
            deletes = [DeleteObject(request_id=MINT.new(), object_id=n.request_id) for n in few]
            costs["delete"].append(await cost(catalog, deletes))
        for few in (group[30:31], group[31:60]):
            markers = [
                DeleteName(request_id=MINT.new(), bucket="default", name=str(new.object.name))
                for new in few
            ]
            costs["delete-name"].append(await cost(catalog, markers))
        for few in (group[60:61], group[61:90]):
            moves = [
                MoveObject(
                    request_id=MINT.new(),
                    object_id=new.request_id,
                    bucket="default",
                    name=f"to {new.object.name}",
                )
                for new in few
            ]
            costs["move"].append(await cost(catalog, moves))
        assert all(many == one <= 14 for one, many in costs.values()), costs
