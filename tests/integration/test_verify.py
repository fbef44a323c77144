"""Reading back while objects are deleted, and while the store goes away."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import UUID

import pytest

from development.servers import MinioServer
from sangraha.catalog.catalog import Catalog
from sangraha.catalog.kept import Kept
from sangraha.errors import StoreUnavailable
from sangraha.messages import DeleteObject
from sangraha.store.open import open_store
from sangraha_orchestrator.verify import Fault, Verified, Verifier
from tests.contract.catalog_samples import MINT, new_object
from tests.contract.store_samples import opened
from tests.faults.proxy import TcpProxy

BODY = b"a body"


class Interrupted(Catalog):
    """Something happens after each page was read."""

    happens: Callable[[list[Kept]], Awaitable[None]]

    async def kept_after(self, after: UUID | None, limit: int) -> list[Kept]:
        page = await super().kept_after(after, limit)
        await self.happens(page)
        return page


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Interrupted]:
    catalog = Interrupted(f"sqlite:///{tmp_path / 'catalog.sqlite'}", request_life_seconds=3600)
    await catalog.start()
    await catalog.commit([new_object(size=len(BODY)) for _ in range(3)])
    yield catalog
    await catalog.close()


async def test_what_is_deleted_meanwhile_is_no_fault(catalog: Interrupted) -> None:
    store = open_store("memory://", timeout_seconds=10)

    async def deleted(page: list[Kept]) -> None:
        await catalog.commit(
            [DeleteObject(request_id=MINT.new(), object_id=kept.object_id) for kept in page[:2]]
        )

    catalog.happens = deleted
    told: list[tuple[Fault, Kept]] = []
    passed: list[Kept] = []
    verified = await Verifier(store, catalog).verify(
        percent=100, tell=lambda fault, kept: told.append((fault, kept)), passed=passed.append
    )
    assert verified == Verified(objects=3, bytes=3 * len(BODY), missing=1, damaged=0)
    assert [fault for fault, _ in told] == ["missing"]
    assert len(passed) == 3
    await store.close()


async def test_a_store_that_goes_away_ends_it_and_calls_nothing_damaged(
    catalog: Interrupted, minio_server: MinioServer, minio_store_url: str
) -> None:
    async with TcpProxy("127.0.0.1", minio_server.port) as proxy:
        url = minio_store_url.replace(f"%3A{minio_server.port}", f"%3A{proxy.port}")
        async with opened(url, timeout_seconds=2) as store:

            async def cut(page: list[Kept]) -> None:
                proxy.cut()

            catalog.happens = cut
            told: list[Fault] = []
            with pytest.raises(StoreUnavailable):
                await Verifier(store, catalog).verify(
                    percent=100, tell=lambda fault, _: told.append(fault), passed=lambda _: None
                )
            assert told == []
