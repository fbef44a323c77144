"""Ten times as many clients as are let in: memory stays flat, those who are let in are served, the
others are told so, and when the flood is over all is as before.
"""

import asyncio
import secrets
import time

import httpx
import pytest

from loadtest.memory import PeakMemory
from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment
from tests.waiting import eventually

AT_A_TIME = 16
CLIENTS = 10 * AT_A_TIME
WRITES = 5
SIZE = 200_000
LIMITED = {"SANGRAHA_WRITES_IN_FLIGHT": str(AT_A_TIME), "SANGRAHA_WAIT_SECONDS": "20"}
MAX_RISE = 150_000_000
"""Let in at a time are 3 MB; all of them at once would be 32 MB, several times copied."""


class Flood:
    """What the clients were told, by status, and how long they waited for it."""

    def __init__(self, client: Client) -> None:
        self._url = client.url("receiver", "/buckets/default/objects/")
        self.seconds: dict[int, list[float]] = {}
        self.kept: dict[str, bytes] = {}

    async def pour(self) -> None:
        """All clients at the same time, each on connections of its own."""
        await asyncio.gather(*(self._client(number) for number in range(CLIENTS)))

    async def _client(self, number: int) -> None:
        async with httpx.AsyncClient(timeout=60) as http:
            for write in range(WRITES):
                name = f"{number}-{write}"
                body = secrets.token_bytes(SIZE)
                started = time.monotonic()
                answer = await http.put(self._url + name, content=body)
                waited = time.monotonic() - started
                self.seconds.setdefault(answer.status_code, []).append(waited)
                if answer.status_code == 201:
                    self.kept[name] = body
                else:
                    assert answer.json()["type"] == "/problems/overloaded", answer.text
                    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("deployment_settings", [LIMITED])
async def test_a_flood_is_refused_in_part_and_leaves_nothing_behind(
    client: Client, deployment: Deployment
) -> None:
    flood = Flood(client)
    assert (await client.put("before", b"the flood")).status_code == 201
    with PeakMemory(deployment) as memory:
        await flood.pour()
    assert set(flood.seconds) == {201, 503}
    assert len(flood.seconds[201]) >= AT_A_TIME
    assert max(memory.risen.values()) < MAX_RISE, memory.risen

    async def is_served() -> bool:
        return (await client.put("after", b"the flood")).status_code == 201

    await eventually(is_served, within_seconds=5)
    for name, body in flood.kept.items():
        assert (await client.get(name)).content == body
    metrics = httpx.get(client.url("receiver", "/metrics")).text
    assert 'sangraha_admitted_requests{kind="write"} 0.0' in metrics
    refused = len(flood.seconds[503])
    assert f'sangraha_refused_requests_total{{kind="write"}} {refused}.0' in metrics
