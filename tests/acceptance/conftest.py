"""The product in both its forms: every acceptance test that asks for `client` runs on each."""

import secrets
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sangraha.store.open import open_store
from sangraha.store.protocol import Store
from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment
from tests.acceptance.sangraha_server import SangrahaServer


@pytest.fixture
def deployment_settings() -> dict[str, str]:
    """What differs from the defaults; a test that needs something else parametrizes it."""
    return {}


@pytest.fixture(params=["embedded", "services"])
async def deployment(
    request: pytest.FixtureRequest, deployment_settings: dict[str, str]
) -> Deployment:
    if request.param == "embedded":
        return Deployment.embedded(**deployment_settings)
    return Deployment.services(
        request.getfixturevalue("rabbitmq_url"),
        request.getfixturevalue("minio_store_url"),
        request.getfixturevalue("postgres_url"),
        **deployment_settings,
    )


@pytest.fixture
async def client(deployment: Deployment) -> AsyncIterator[Client]:
    async with deployment.running() as client:
        yield client


@pytest.fixture
def data_dir(deployment: Deployment) -> Path:
    """Where the process in one has its data; the services have none."""
    return deployment.processes[0].folder.path / "data"


@pytest.fixture
def operator(
    deployment: Deployment, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment of whoever looks after the deployment: its parts."""
    if len(deployment.processes) > 1:
        for part, fixture in (
            ("BROKER", "rabbitmq_url"),
            ("STORE", "minio_store_url"),
            ("CATALOG", "postgres_url"),
        ):
            monkeypatch.setenv(f"SANGRAHA_{part}_URL", request.getfixturevalue(fixture))


@pytest.fixture
def store_url(deployment: Deployment, data_dir: Path, request: pytest.FixtureRequest) -> str:
    """Where the deployment keeps bodies."""
    if len(deployment.processes) > 1:
        url: str = request.getfixturevalue("minio_store_url")
        return url
    return f"file://{data_dir / 'store'}"


@pytest.fixture
async def store(store_url: str, client: Client) -> AsyncIterator[Store]:
    """The store behind the client, seen from beside."""
    store = open_store(store_url, timeout_seconds=10)
    await store.start()
    yield store
    await store.close()


@pytest.fixture(scope="module", params=["embedded", "services"])
def shared_deployment(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """One for all tests of a module that leave it as good as they found it, but for objects and
    buckets whose names no other test of the module uses.
    """
    if request.param == "embedded":
        deployment = Deployment.embedded()
    else:
        minio = request.getfixturevalue("minio_server")
        deployment = Deployment.services(
            request.getfixturevalue("rabbitmq_server").new_vhost(),
            minio.store_url(f"test-{secrets.token_hex(6)}"),
            request.getfixturevalue("postgres_server").new_database(),
        )
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(SangrahaServer.start, deployment.processes))
        yield deployment
    finally:
        with ThreadPoolExecutor() as pool:
            list(pool.map(SangrahaServer.stop, deployment.processes))
        for process in deployment.processes:
            process.folder.remove()


@pytest.fixture
async def shared_client(shared_deployment: Deployment) -> AsyncIterator[Client]:
    async with shared_deployment.client() as client:
        yield client
