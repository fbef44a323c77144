"""How it ends: on SIGTERM, under load, with requests halfway in and with a queue to finish."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import psutil

from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment
from tests.waiting import eventually


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

    def taken() -> int:
        (pid,) = receiver.pids()
        port = int(receiver.url.rpartition(":")[2])
        connections = psutil.Process(pid).net_connections("tcp")
        return sum(
            one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED for one in connections
        )

    requests = [asyncio.create_task(client.call("create_json", content=halves())) for _ in range(8)]
    await eventually(lambda: taken() >= len(requests))
    stop = asyncio.create_task(asyncio.to_thread(receiver.stop))

    async def refuses() -> bool:
        try:
            await client.call("get_request", path="x")
        except httpx.ConnectError:
            return True
        return False

    await eventually(refuses)
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
