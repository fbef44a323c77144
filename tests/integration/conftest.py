"""All services in this process, without HTTP, on embedded parts and on real servers."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from blockbuster import blockbuster_ctx

import sangraha
import sangraha_getter
import sangraha_orchestrator
import sangraha_receiver
from sangraha.broker.protocol import Broker
from sangraha.buckets import DEFAULT_BUCKET
from sangraha.catalog.catalog import Catalog, Located
from sangraha.errors import BodyMissing
from sangraha.http.health import Health
from sangraha.ids import IdMint
from sangraha.objects import Location, ObjectInfo
from sangraha.settings import Settings
from sangraha.store.open import open_store
from sangraha.store.protocol import Store
from sangraha_cli.compose import ALL_SERVICES, Composition, compose
from tests.waiting import eventually


@dataclass(frozen=True, slots=True)
class House:
    """A running composition, what it is made of, and its store as seen from outside."""

    settings: Settings
    composition: Composition
    mint: IdMint
    store: Store

    @property
    def broker(self) -> Broker:
        return self.composition.parts.broker

    @property
    def catalog(self) -> Catalog:
        return self.composition.parts.catalog

    async def place_of(self, object_id: UUID) -> Location | None:
        """Where the bytes of a live object are."""
        located = (await self.catalog.locate([object_id])).get(object_id)
        return located.location if isinstance(located, Located) else None

    async def body_of(self, object_id: UUID) -> bytes | None:
        """The bytes of a live object."""
        where = await self.place_of(object_id)
        if where is None:
            return None
        return await self.store.get(where.key, where.offset, where.length)

    async def at(self, name: str, version: int | None = None) -> ObjectInfo | None:
        """What is at that name in the default bucket."""
        asked = (DEFAULT_BUCKET, name, version)
        located = (await self.catalog.locate_names([asked])).get(asked)
        return None if located is None else located.object

    async def is_kept(self, key: str) -> bool:
        """Whether the store has a body of that key."""
        try:
            await self.store.get(key)
        except BodyMissing:
            return False
        return True

    def metric(self, name: str, **labels: str) -> float:
        """The value of one sample of the metrics, 0 if it was never set."""
        wanted = "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"
        for line in self.composition.metrics.page().decode().splitlines():
            if line.startswith(name + (wanted if labels else " ")):
                return float(line.rsplit(" ", 1)[1])
        return 0.0


@pytest.fixture(params=["embedded", "servers"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    places: dict[str, object] = {"data_dir": tmp_path}
    if request.param == "servers":
        places |= {
            "broker_url": request.getfixturevalue("rabbitmq_url"),
            "store_url": request.getfixturevalue("minio_store_url"),
            "catalog_url": request.getfixturevalue("postgres_url"),
        }
    secret = secrets.token_hex(16)
    return Settings.model_validate({**places, "id_secret": secret, "request_life_seconds": 3600})


@asynccontextmanager
async def open_house(
    settings: Settings, before: Callable[[Broker], Awaitable[None]] | None = None
) -> AsyncIterator[House]:
    """Run all services; `before` they start, something may happen on the broker."""
    composition = compose(settings, ALL_SERVICES)
    checks = {
        name: one for service in composition.services for name, one in service.checks().items()
    }
    store = open_store(settings.store, timeout_seconds=settings.store_timeout_seconds)
    await composition.parts.start()
    try:
        if before is not None:
            await composition.parts.broker.wait_ready(30)
            await before(composition.parts.broker)
        for service in composition.services:
            await service.start()
        await composition.parts.wait_started()
        await eventually(Health(checks).ready, within_seconds=30)
        await store.start()
        # Once started, a blocking call on the event loop from our own code fails the test.
        ours = [sangraha, sangraha_getter, sangraha_orchestrator, sangraha_receiver]
        with blockbuster_ctx(ours) as blocking:
            # It only joins strings and asks for the working folder.
            blocking.functions["os.path.abspath"].deactivate()
            # A new connection looks for the user's password file.
            blocking.functions["os.stat"].can_block_in(
                "asyncpg/connect_utils.py", "_parse_connect_dsn_and_args"
            )
            yield House(settings, composition, IdMint(settings.secret()), store)
        for service in composition.services:
            await service.drain(10)
    finally:
        await composition.parts.close()
        await store.close()


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[House]:
    async with open_house(settings) as house:
        yield house
