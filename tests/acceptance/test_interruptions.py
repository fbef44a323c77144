"""Nothing accepted is lost or doubled while a part goes away in the middle of many writes."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx
import pytest

from development.servers import MinioServer, RabbitmqServer
from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment
from tests.waiting import eventually

WRITES = 1000
WRITERS = 16
OUTAGE_SECONDS = 20


class Journal:
    """What the clients were told, to be held against what is there."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.created: set[str] = set()
        self.accepted: set[str] = set()
        self.late: set[str] = set()
        self.refused = 0
        self.unanswered: set[str] = set()
        self.unknown: set[str] = set()

    def note(self, file_name: str, body: bytes, answer: httpx.Response | None) -> None:
        if answer is None:
            self.unanswered.add(file_name)
            return
        document = answer.json()
        if answer.status_code == 201:
            self.created.add(document["object_id"])
            self.bodies[document["object_id"]] = body
        elif answer.status_code == 202:
            self.accepted.add(document["request_id"])
            if "Preference-Applied" not in answer.headers:
                self.late.add(document["request_id"])
            self.bodies[document["request_id"]] = body
        else:
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["Retry-After"]) > 0
            self.refused += 1
            if document["type"] == "/problems/outcome-unknown":
                self.unknown.add(file_name)

    @property
    def told(self) -> int:
        return len(self.created) + len(self.accepted)


async def write_many(
    client: Client, journal: Journal, until: Callable[[], bool], total: int = WRITES
) -> None:
    """Write small documents, WRITERS at a time, until `total` were sent and `until` holds."""
    numbers = iter(range(100 * total))

    async def writer() -> None:
        for number in numbers:
            if number >= total and until():
                return
            body = json.dumps({"number": number, "text": "પાણી" * 20}).encode()
            file_name = f"{number}.json"
            headers = {"Prefer": "respond-async"} if number % 5 == 0 else None
            try:
                answer = await client.create("json", body, file_name, headers)
            except httpx.TransportError:
                journal.note(file_name, body, None)
            else:
                journal.note(file_name, body, answer)

    await asyncio.gather(*(writer() for _ in range(WRITERS)))


async def check(client: Client, journal: Journal) -> None:
    """Every 201 readable, every 202 done, none twice, none that was said not to be kept."""
    places = asyncio.Semaphore(WRITERS)

    async def read_back(object_id: str) -> None:
        async with places:
            if object_id in journal.accepted:
                assert (await client.ended(object_id))["status"] == "done"
            answer = await client.read(object_id)
            assert answer.status_code == 200, answer.text
            assert answer.content == journal.bodies[object_id]

    assert not journal.created & journal.accepted
    await asyncio.gather(*(read_back(object_id) for object_id in journal.bodies))
    objects = await all_objects(client)
    assert max(Counter(one["file_name"] for one in objects).values()) == 1, "one is there twice"
    assert journal.bodies.keys() <= {one["object_id"] for one in objects}
    untold = {one["file_name"] for one in objects if one["object_id"] not in journal.bodies}
    assert untold <= journal.unknown | journal.unanswered, "refused, and kept all the same"


async def all_objects(client: Client) -> list[dict[str, str]]:
    objects: list[dict[str, str]] = []
    pages = page = 1
    while page <= pages:
        answer = await client.call("list_objects", params={"page": page, "page_size": 100})
        assert answer.status_code == 200, answer.text
        pages = answer.json()["total_pages"]
        objects += answer.json()["objects"]
        page += 1
    assert len({one["object_id"] for one in objects}) == len(objects)
    return objects


async def interrupted(
    client: Client,
    interruption: Callable[[], Awaitable[None]],
    *,
    after: int = 300,
    total: int = WRITES,
) -> Journal:
    """Write `total` documents, with the interruption after some of them, and go on until writes
    are accepted again; then check what clients were told against what is there.
    """
    journal = Journal()
    back = asyncio.Event()

    async def interrupt() -> None:
        await eventually(lambda: journal.told >= after, within_seconds=60)
        await interruption()
        told = journal.told
        await eventually(lambda: journal.told > told + 50, within_seconds=60)
        back.set()

    await asyncio.gather(write_many(client, journal, back.is_set, total), interrupt())
    await check(client, journal)
    return journal


async def test_the_broker_stopped_and_started_in_the_middle_of_1000_writes_loses_none(
    own_rabbitmq_server: RabbitmqServer, minio_store_url: str, postgres_url: str
) -> None:
    deployment = Deployment.services(
        own_rabbitmq_server.url(),
        minio_store_url,
        postgres_url,
        SANGRAHA_PUBLISH_TIMEOUT_SECONDS="2",
    )

    async def restart() -> None:
        await asyncio.to_thread(own_rabbitmq_server.restart)

    async with deployment.running() as client:
        journal = await interrupted(client, restart)
    assert journal.refused > 0, "nobody noticed that the broker was away"


async def test_kill_9_of_the_embedded_process_in_the_middle_of_1000_writes_loses_none() -> None:
    deployment = Deployment.embedded()
    (process,) = deployment.processes

    async def crash() -> None:
        await asyncio.to_thread(process.kill)
        await asyncio.to_thread(process.start)

    async with deployment.running() as client:
        journal = await interrupted(client, crash)
    assert journal.unanswered, "the kill came when nothing was on its way"


@pytest.mark.timeout(180)
async def test_the_store_stopped_for_20_s_loses_no_write_and_late_ones_become_done(
    rabbitmq_url: str, own_minio_server: MinioServer, postgres_url: str
) -> None:
    store_url = own_minio_server.store_url("objects")
    deployment = Deployment.services(rabbitmq_url, store_url, postgres_url)

    async def outage() -> None:
        await asyncio.to_thread(own_minio_server.stop)
        # The outage itself is what lasts 20 s, not a wait for something to happen.
        await asyncio.sleep(OUTAGE_SECONDS)
        await asyncio.to_thread(own_minio_server.start)

    async with deployment.running() as client:
        journal = await interrupted(client, outage, after=50, total=200)
    assert journal.refused == 0, "a write was refused because of the store"
    assert journal.late, "no write was answered 202 while the store was away"
