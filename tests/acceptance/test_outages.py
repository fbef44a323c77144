"""Single parts away: the catalog, the replies, a worker."""

import asyncio
from urllib.parse import urlsplit

from development.servers import PostgresServer
from tests.acceptance.deployment import Deployment
from tests.faults.proxy import TcpProxy
from tests.waiting import eventually


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
            assert answer.status_code == 503, answer.text
            assert answer.json()["type"] == "/problems/catalog-unavailable"
            assert int(answer.headers["retry-after"]) > 0
        await asyncio.to_thread(own_postgres_server.start)
        assert (await client.ended(request_id))["status"] == "done"
        assert (await client.read(before.json()["object_id"])).content == b"1"


async def test_a_lost_reply_is_made_good_by_the_catalog(
    rabbitmq_url: str, minio_store_url: str, postgres_url: str
) -> None:
    address = urlsplit(rabbitmq_url)
    async with TcpProxy("127.0.0.1", address.port or 0) as proxy:
        away = address._replace(netloc=f"guest:guest@127.0.0.1:{proxy.port}").geturl()
        deployment = Deployment.services(rabbitmq_url, minio_store_url, postgres_url)
        receiver = deployment.servers["receiver"].with_settings(SANGRAHA_BROKER_URL=away)
        deployment = Deployment({**deployment.servers, "receiver": receiver})
        async with deployment.running() as client:
            assert (await client.create("json", b"1")).status_code == 201
            proxy.swallow_answers()
            # Neither confirm nor reply can come: whatever the receiver says must be true.
            lost = asyncio.create_task(client.create("json", b"2"))

            async def stored() -> bool:
                listed = await client.call("list_objects")
                return bool(listed.json()["total"] == 2)

            await eventually(stored)
            proxy.restore()
            answer = await lost
            if answer.status_code == 503:
                problem = answer.json()
                assert problem["type"] == "/problems/outcome-unknown"
                request_id = problem["request_id"]
            else:
                assert answer.status_code == 201, answer.text
                request_id = answer.json()["request_id"]
            assert (await client.ended(request_id))["status"] == "done"
            assert (await client.call("list_objects")).json()["total"] == 2


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
