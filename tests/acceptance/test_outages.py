"""Single parts away: catalog, store, broker, a reply, a confirm, a worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx

from development.servers import MinioServer, PostgresServer
from tests.acceptance.deployment import Deployment
from tests.faults.proxy import TcpProxy
from tests.waiting import eventually


def is_problem(answer: httpx.Response, slug: str) -> None:
    """It says 503, why, and when to try again."""
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"/problems/{slug}"
    assert int(answer.headers["retry-after"]) > 0


@asynccontextmanager
async def proxied(broker_url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    """A proxy in front of the broker, and the broker's address through it."""
    address = urlsplit(broker_url)
    async with TcpProxy("127.0.0.1", address.port or 0) as proxy:
        yield proxy, address._replace(netloc=f"guest:guest@127.0.0.1:{proxy.port}").geturl()


def with_receiver_at(
    receivers_broker_url: str,
    broker_url: str,
    store_url: str,
    catalog_url: str,
    **settings: str,
) -> Deployment:
    """A deployment whose receiver alone has another address of the broker."""
    deployment = Deployment.services(broker_url, store_url, catalog_url, **settings)
    receiver = deployment.servers["receiver"].with_settings(
        SANGRAHA_BROKER_URL=receivers_broker_url
    )
    return Deployment({**deployment.servers, "receiver": receiver})


async def test_while_the_catalog_is_away_writes_wait_and_status_and_reads_say_503(
    rabbitmq_url: str, minio_store_url: str, own_postgres_server: PostgresServer
) -> None:
    deployment = Deployment.services(
        rabbitmq_url, minio_store_url, own_postgres_server.new_database()
    )
    async with deployment.running() as client:
        before = await client.create("json", b"1")
        assert before.status_code == 201
        await asyncio.to_thread(own_postgres_server.stop)
        late = await client.create("json", b"2", headers={"Prefer": "wait=1"})
        assert late.status_code == 202, late.text
        request_id = late.json()["request_id"]
        for answer in (
            await client.call("get_request", path=request_id),
            await client.read(before.json()["object_id"]),
            await client.call("list_objects"),
        ):
            is_problem(answer, "catalog-unavailable")
        await asyncio.to_thread(own_postgres_server.start)
        assert (await client.ended(request_id))["status"] == "done"
        assert (await client.read(before.json()["object_id"])).content == b"1"


async def test_while_the_store_is_away_reads_of_an_object_say_503(
    rabbitmq_url: str, own_minio_server: MinioServer, postgres_url: str
) -> None:
    store_url = own_minio_server.store_url("objects")
    async with Deployment.services(rabbitmq_url, store_url, postgres_url).running() as client:
        written = await client.create("json", b"[1]")
        object_id = written.json()["object_id"]
        await asyncio.to_thread(own_minio_server.stop)
        is_problem(await client.read(object_id), "store-unavailable")
        assert (await client.call("head_object", path=object_id)).status_code == 200
        await asyncio.to_thread(own_minio_server.start)

        async def is_back() -> bool:
            return (await client.read(object_id)).status_code == 200

        await eventually(is_back)
        assert (await client.read(object_id)).content == b"[1]"


async def test_while_the_broker_is_away_writes_and_reads_say_503_and_status_is_still_answered(
    rabbitmq_url: str, minio_store_url: str, postgres_url: str
) -> None:
    async with proxied(rabbitmq_url) as (proxy, away):
        deployment = Deployment.services(
            away,
            minio_store_url,
            postgres_url,
            SANGRAHA_PUBLISH_TIMEOUT_SECONDS="2",
            SANGRAHA_READ_TIMEOUT_SECONDS="2",
        )
        async with deployment.running() as client, httpx.AsyncClient() as http:

            async def all_are(status: int) -> bool:
                answers = [
                    await http.get(f"{one.url}/health/ready") for one in deployment.processes
                ]
                return {answer.status_code for answer in answers} == {status}

            written = (await client.create("json", b"[1]")).json()
            proxy.cut()
            await eventually(lambda: all_are(503))
            is_problem(await client.create("json", b"[2]"), "broker-unavailable")
            is_problem(await client.read(written["object_id"]), "broker-unavailable")
            is_problem(await client.call("list_objects"), "broker-unavailable")
            assert (await client.status(written["request_id"]))["status"] == "done"
            proxy.restore()
            await eventually(lambda: all_are(200))
            assert (await client.create("json", b"[3]")).status_code == 201
            assert (await client.read(written["object_id"])).content == b"[1]"
            assert (await client.call("list_objects")).json()["total"] == 2


async def test_a_lost_reply_is_made_good_by_the_catalog(
    rabbitmq_url: str, minio_store_url: str, postgres_url: str
) -> None:
    async with proxied(rabbitmq_url) as (proxy, away):
        deployment = with_receiver_at(away, rabbitmq_url, minio_store_url, postgres_url)
        receiver, orchestrator = deployment.servers["receiver"], deployment.servers["orchestrator"]
        async with deployment.running() as client:
            orchestrator.freeze()
            try:
                waiting = asyncio.create_task(
                    client.create("json", b"1", headers={"Prefer": "wait=3"})
                )
                await eventually(lambda: receiver.connections() >= 1)
                # Accepted after it, so the confirm of the first is there as well.
                other = await client.create("json", b"2", headers={"Prefer": "respond-async"})
                assert other.status_code == 202, other.text
                proxy.swallow_answers()
            finally:
                orchestrator.thaw()
            answer = await waiting
            assert answer.status_code == 201, answer.text
            assert (await client.read(answer.json()["object_id"])).content == b"1"


async def test_a_write_whose_confirm_was_lost_is_published_again_and_made_once(
    rabbitmq_url: str, minio_store_url: str, postgres_url: str
) -> None:
    async with proxied(rabbitmq_url) as (proxy, away):
        deployment = with_receiver_at(away, rabbitmq_url, minio_store_url, postgres_url)
        async with deployment.running() as client:
            proxy.swallow_answers()
            writing = asyncio.create_task(client.create("json", b"1"))

            async def stored() -> bool:
                return bool((await client.call("list_objects")).json()["total"])

            await eventually(stored)
            proxy.cut()
            proxy.restore()
            answer = await writing
            assert answer.status_code == 201, answer.text
            listed = (await client.call("list_objects")).json()["objects"]
            assert [one["object_id"] for one in listed] == [answer.json()["object_id"]]

            def deliveries() -> int:
                return sum(line["message"] == "write done" for line in deployment.log_lines())

            await eventually(lambda: deliveries() == 2, what="the second publish")


async def test_a_write_that_is_never_confirmed_is_said_to_be_unknown_and_can_be_followed(
    rabbitmq_url: str, minio_store_url: str, postgres_url: str
) -> None:
    async with proxied(rabbitmq_url) as (proxy, away):
        deployment = with_receiver_at(
            away,
            rabbitmq_url,
            minio_store_url,
            postgres_url,
            SANGRAHA_PUBLISH_TIMEOUT_SECONDS="2",
        )
        async with deployment.running() as client:
            proxy.swallow_answers()
            answer = await client.create("json", b"1")
            is_problem(answer, "outcome-unknown")
            request_id = answer.json()["request_id"]
            assert answer.json()["status_url"] == f"/requests/{request_id}"
            assert (await client.ended(request_id))["status"] == "done"
            assert (await client.call("list_objects")).json()["total"] == 1


async def test_a_killed_worker_s_groups_are_done_once_by_another(
    rabbitmq_url: str, minio_store_url: str, postgres_url: str
) -> None:
    deployment = Deployment.services(rabbitmq_url, minio_store_url, postgres_url)
    async with deployment.running() as client:
        first = deployment.servers["orchestrator"]
        with first.another("second"):
            accepted: list[str] = []

            async def writer() -> None:
                while len(accepted) < 300:
                    answer = await client.create(
                        "json", b"[1]", headers={"Prefer": "respond-async"}
                    )
                    assert answer.status_code == 202, answer.text
                    accepted.append(answer.json()["request_id"])

            writers = asyncio.gather(*(writer() for _ in range(8)))
            await eventually(lambda: len(accepted) > 100)
            await asyncio.to_thread(first.kill)
            await writers
            await asyncio.to_thread(first.start)
            for request_id in accepted:
                assert (await client.ended(request_id))["status"] == "done"
        assert (await client.call("list_objects")).json()["total"] == len(accepted)
