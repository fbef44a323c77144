"""A whole Sangraha under test: in one process, or as services on real servers."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from sangraha.http.routes import Service
from tests.acceptance.client import Client
from tests.acceptance.sangraha_server import SangrahaServer

SERVICES: tuple[Service, ...] = ("receiver", "getter", "orchestrator")


@dataclass(frozen=True, slots=True)
class Deployment:
    """The processes by service; in one process all three are the same."""

    servers: Mapping[Service, SangrahaServer]

    @classmethod
    def embedded(cls, **settings: str) -> Self:
        """Everything in one process, in a folder of its own."""
        server = SangrahaServer("run", settings)
        return cls(dict.fromkeys(SERVICES, server))

    @classmethod
    def services(cls, broker_url: str, store_url: str, catalog_url: str, **settings: str) -> Self:
        """A process each, on these servers."""
        environment = {
            "SANGRAHA_BROKER_URL": broker_url,
            "SANGRAHA_STORE_URL": store_url,
            "SANGRAHA_CATALOG_URL": catalog_url,
            "SANGRAHA_ID_SECRET": secrets.token_hex(16),
            **settings,
        }
        return cls({service: SangrahaServer(service, environment) for service in SERVICES})

    @property
    def processes(self) -> list[SangrahaServer]:
        """Each process once."""
        return list(dict.fromkeys(self.servers.values()))

    def log_lines(self) -> list[dict[str, Any]]:
        """All log lines of all processes, decoded."""
        return [
            json.loads(line)
            for process in self.processes
            for line in process.log.splitlines()
            if line.startswith("{")
        ]

    def client(self) -> Client:
        """A client of it."""
        return Client({service: server.url for service, server in self.servers.items()})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Client]:
        """Start all of it, and give a client of it."""
        try:
            await asyncio.gather(*(asyncio.to_thread(one.start) for one in self.processes))
            async with self.client() as client:
                yield client
        finally:
            await asyncio.gather(*(asyncio.to_thread(one.stop) for one in self.processes))
            for server in self.processes:
                server.folder.remove()
