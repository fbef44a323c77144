"""How it ends: on SIGTERM, under load, with requests halfway in and with a queue to finish."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment
from tests.waiting import eventually

LONG = {"Prefer": "wait=60"}


async def refuses(client: Client) -> bool:
    """Whether the receiver takes no new connections any more."""
    try:
        await client.call("get_request", path="x")
    except httpx.TransportError:
        # Nobody listens any more, or the connection was never taken.
        return True
    return False


@pytest.fixture
def on_servers(
    rabbitmq_url: str, minio_store_url: str, postgres_url: str
) -> Callable[..., Deployment]:
    """Makes a deployment on real servers, with these settings."""
    return partial(Deployment.services, rabbitmq_url, minio_store_url, postgres_url)


@asynccontextmanager
async def stalled(deployment: Deployment) -> AsyncIterator[Client]:
    """The deployment with its orchestrator frozen: what is accepted waits."""
    orchestrator = deployment.servers["orchestrator"]
    async with deployment.running() as client:
        orchestrator.freeze()
        try:
            yield client
        finally:
            orchestrator.thaw()


async def test_sigterm_under_load_fails_no_request_it_took_and_loses_none(
    client: Client, deployment: Deployment
) -> None:
    receiver = deployment.servers["receiver"]
    answers: list[int] = []
    accepted: list[str] = []
    stopping = asyncio.Event()

    async def writer(number: int) -> None:
        while True:
            try:
                headers = {"Prefer": "respond-async"} if number % 2 else None
                answer = await client.create("json", b"[1, 2]", headers=headers)
            except httpx.TransportError:
                # Nobody listens any more, or the connection was never taken.
                assert stopping.is_set()
                return
            answers.append(answer.status_code)
            accepted.append(answer.json()["request_id"])

    writers = [asyncio.create_task(writer(number)) for number in range(8)]
    await eventually(lambda: len(answers) > 100)
    stopping.set()
    await asyncio.to_thread(receiver.stop)
    await asyncio.gather(*writers)
    assert set(answers) <= {201, 202}, "a request failed while the service was ending"
    await asyncio.to_thread(receiver.start)
    for request_id in accepted:
        assert (await client.ended(request_id))["status"] == "done"


async def test_requests_halfway_in_when_sigterm_comes_are_finished(
    client: Client, deployment: Deployment
) -> None:
    receiver = deployment.servers["receiver"]
    stopping = asyncio.Event()

    async def halves() -> AsyncIterator[bytes]:
        yield b'{"data": '
        await stopping.wait()
        yield b"[1, 2]}"

    requests = [asyncio.create_task(client.call("create_json", content=halves())) for _ in range(8)]
    await eventually(lambda: receiver.connections() >= len(requests))
    stop = asyncio.create_task(asyncio.to_thread(receiver.stop))
    await eventually(lambda: refuses(client))
    stopping.set()
    answers = await asyncio.gather(*requests)
    await stop
    assert {answer.status_code for answer in answers} == {201}


async def test_the_embedded_process_finishes_its_queue_before_it_ends() -> None:
    deployment = Deployment.embedded()
    (process,) = deployment.processes
    async with deployment.running() as client:
        asynchronous = {"Prefer": "respond-async"}
        answers = await asyncio.gather(
            *(client.create("json", b"[%d]" % n, headers=asynchronous) for n in range(100))
        )
        await asyncio.to_thread(process.stop)
        done = [line for line in deployment.log_lines() if line["message"] == "write done"]
        assert {line["request_id"] for line in done} == {
            answer.json()["request_id"] for answer in answers
        }
        assert "Traceback" not in process.log


async def test_those_who_wait_when_sigterm_comes_are_told_where_to_look_after_half_the_grace(
    on_servers: Callable[..., Deployment],
) -> None:
    deployment = on_servers(SANGRAHA_SHUTDOWN_GRACE_SECONDS="6")
    receiver = deployment.servers["receiver"]
    loop = asyncio.get_running_loop()
    async with stalled(deployment) as client:
        polled = (await client.create("json", b"1", headers={"Prefer": "respond-async"})).json()
        writing = asyncio.create_task(client.create("json", b"2", headers=LONG))
        polling = asyncio.create_task(
            client.call("get_request", path=polled["request_id"], headers=LONG)
        )
        await eventually(lambda: receiver.connections() >= 2)
        told = loop.time()
        receiver.terminate()
        written, status = await asyncio.gather(writing, polling)
        assert 3 <= loop.time() - told < 6
        assert written.status_code == 202, written.text
        assert written.headers["content-type"] == "application/json"
        assert written.headers["location"] == written.json()["status_url"]
        assert status.status_code == 200, status.text
        assert status.json() == polled
        assert await asyncio.to_thread(receiver.ended, 10) == 0
        deployment.servers["orchestrator"].thaw()
        await asyncio.to_thread(receiver.start)
        for request_id in (written.json()["request_id"], polled["request_id"]):
            assert (await client.ended(request_id))["status"] == "done"


async def test_a_request_in_flight_when_sigterm_comes_gets_its_outcome_if_there_is_time(
    on_servers: Callable[..., Deployment],
) -> None:
    deployment = on_servers(SANGRAHA_SHUTDOWN_GRACE_SECONDS="40")
    receiver = deployment.servers["receiver"]
    async with stalled(deployment) as client:
        writing = asyncio.create_task(client.create("json", b"[1]", headers=LONG))
        await eventually(lambda: receiver.connections() >= 1)
        receiver.terminate()
        await eventually(lambda: refuses(client))
        # A process that did not wait for its requests would be gone by then.
        ended, _ = await asyncio.wait({writing}, timeout=2)
        assert not ended
        deployment.servers["orchestrator"].thaw()
        answer = await asyncio.wait_for(writing, 15)
        assert answer.status_code == 201, answer.text
        assert await asyncio.to_thread(receiver.ended, 10) == 0
        assert (await client.read(answer.json()["object_id"])).content == b"[1]"


async def test_while_it_drains_it_is_unready_and_still_answers() -> None:
    deployment = Deployment.embedded(SANGRAHA_DRAIN_SECONDS="2")
    (process,) = deployment.processes
    async with deployment.running() as client, httpx.AsyncClient(base_url=process.url) as http:

        async def ready() -> int:
            return (await http.get("/health/ready")).status_code

        assert await ready() == 200
        loop = asyncio.get_running_loop()
        told = loop.time()
        process.terminate()

        async def unready() -> bool:
            return await ready() == 503

        await eventually(unready, within_seconds=1)
        while loop.time() < told + 1.5:
            assert (await client.create("json", b"1")).status_code == 201
        assert await ready() == 503
        assert await asyncio.to_thread(process.ended, 10) == 0


async def test_a_second_sigterm_ends_it_at_once_and_cleanly(
    on_servers: Callable[..., Deployment],
) -> None:
    deployment = on_servers(SANGRAHA_SHUTDOWN_GRACE_SECONDS="40")
    receiver = deployment.servers["receiver"]
    async with stalled(deployment) as client:
        writing = asyncio.create_task(client.create("json", b"1", headers=LONG))
        await eventually(lambda: receiver.connections() >= 1)
        receiver.terminate()
        await eventually(lambda: refuses(client))
        receiver.terminate()
        assert await asyncio.to_thread(receiver.ended, 5) == 0
        assert "Traceback" not in receiver.log
        # It may be told where to look, or cut off: nothing more was promised.
        await asyncio.gather(writing, return_exceptions=True)
