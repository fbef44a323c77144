"""The product in both its forms: every acceptance test that asks for `client` runs on each."""

from collections.abc import AsyncIterator

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
