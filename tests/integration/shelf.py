"""Objects put straight into store and catalog, and the getter's addresses to read them by."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from sangraha.catalog.catalog import NewObject
from sangraha.http.app import create_app
from sangraha.messages import Change, Done
from sangraha.objects import Location, StoredObject
from tests.contract.catalog_samples import new_object
from tests.integration.conftest import House


class Shelf:
    """What is kept in a house, and `http` to ask its getter."""

    def __init__(self, house: House, http: httpx.AsyncClient) -> None:
        self.house = house
        self.http = http

    @classmethod
    @asynccontextmanager
    async def of(cls, house: House) -> AsyncIterator["Shelf"]:
        services = [one for one in house.composition.services if one.name == "getter"]
        app, _ = create_app(services, house.composition.metrics)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            yield cls(house, http)

    async def put(self, body: bytes, *, before: bytes = b"", **fields: Any) -> StoredObject:
        """Keep these bytes, which lie in the store after some others."""
        sha256 = hashlib.sha256(body).hexdigest()
        object_id = self.house.mint.new()
        bucket = fields.get("bucket", "default")
        entry = new_object(
            object_id,
            key=f"{bucket}/objects/{object_id}",
            offset=len(before),
            **{"size": len(body), "sha256": sha256, "type": "other", **fields},
        )
        await self.house.store.put(entry.location.key, before + body)
        return await self.commit_object(entry)

    async def commit_object(self, entry: NewObject) -> StoredObject:
        (outcome,) = await self.house.catalog.commit([entry])
        assert isinstance(outcome, Done), outcome
        assert outcome.object is not None
        return outcome.object

    async def change(self, entry: Change) -> None:
        (outcome,) = await self.house.catalog.commit([entry])
        assert isinstance(outcome, Done), outcome

    async def location(self, stored: StoredObject) -> Location:
        (found,) = (await self.house.catalog.locate([stored.object_id])).values()
        location: Location = found.location  # type: ignore[union-attr]  # it is live
        return location

    async def get(self, path: str, **request: Any) -> httpx.Response:
        return await self.http.get(path, **request)


def assert_problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"/problems/{slug}"
    assert document["exchange_id"] == answer.headers["x-request-id"]
    return document
