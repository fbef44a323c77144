"""The product in both its forms: every acceptance test that asks for `client` runs on each."""

from collections.abc import AsyncIterator

import pytest

from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment


@pytest.fixture(params=["embedded", "services"])
async def deployment(request: pytest.FixtureRequest) -> Deployment:
    if request.param == "embedded":
        return Deployment.embedded()
    return Deployment.services(
        request.getfixturevalue("rabbitmq_url"),
        request.getfixturevalue("minio_store_url"),
        request.getfixturevalue("postgres_url"),
    )


@pytest.fixture
async def client(deployment: Deployment) -> AsyncIterator[Client]:
    async with deployment.running() as client:
        yield client
