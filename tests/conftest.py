"""Real servers for tests: shared ones with a fresh place for each test, and ones of a test's own.

A test that stops, kills or freezes a server asks for one of its own.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from development.servers import MinioServer, PostgresServer, RabbitmqServer, Server
from development.software import SERVERS, ServerMissingError, Software

S = TypeVar("S", bound=Server)


def require(software: Software) -> None:
    """Skip the test where the software is missing, saying how to install it; fail it in CI."""
    try:
        software.path()
    except ServerMissingError as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@contextmanager
def running(kind: type[S]) -> Iterator[S]:
    """A server in a temporary folder."""
    require(kind.software)
    with kind() as server:
        yield server


@pytest.fixture(scope="session")
def all_servers_installed() -> None:
    for software in SERVERS:
        require(software)


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitmqServer]:
    with running(RabbitmqServer) as server:
        yield server


@pytest.fixture(scope="session")
def minio_server() -> Iterator[MinioServer]:
    with running(MinioServer) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running(PostgresServer) as server:
        yield server


@pytest.fixture
def rabbitmq_url(rabbitmq_server: RabbitmqServer) -> str:
    """The AMQP address of a fresh virtual host."""
    return rabbitmq_server.new_vhost()


@pytest.fixture
def minio_store_url(minio_server: MinioServer) -> str:
    """The store address of a bucket that nobody has made yet."""
    return minio_server.store_url(f"test-{secrets.token_hex(6)}")


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The address of a fresh, empty database."""
    return postgres_server.new_database()


@pytest.fixture
def own_rabbitmq_server() -> Iterator[RabbitmqServer]:
    with running(RabbitmqServer) as server:
        yield server


@pytest.fixture
def own_minio_server() -> Iterator[MinioServer]:
    with running(MinioServer) as server:
        yield server


@pytest.fixture
def own_postgres_server() -> Iterator[PostgresServer]:
    with running(PostgresServer) as server:
        yield server
