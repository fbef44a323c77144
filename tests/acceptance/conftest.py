"""The product in both its forms: every acceptance test that asks for `client` runs on each."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest

from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment


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


@pytest.fixture(scope="module", params=["embedded", "services"])
def shared_deployment(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """One for all tests of a module that leave it as good as they found it."""
    if request.param == "embedded":
        deployment = Deployment.embedded()
    else:
        minio = request.getfixturevalue("minio_server")
        deployment = Deployment.services(
            request.getfixturevalue("rabbitmq_server").new_vhost(),
            minio.store_url(f"test-{secrets.token_hex(6)}"),
            request.getfixturevalue("postgres_server").new_database(),
        )
    with ExitStack() as stack:
        for process in deployment.processes:
            stack.callback(process.folder.remove)
            stack.callback(process.stop)
            process.start()
        yield deployment
