"""Bodies that nobody could hold in memory, and clients that leave in the middle of them."""

import asyncio
import hashlib
import json
import random
from collections.abc import AsyncIterator, Mapping
from functools import partial

import httpx
import pytest

from loadtest.memory import memory
from sangraha.http.routes import Service
from sangraha.store.protocol import Store
from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment
from tests.acceptance.stored import keys_in, unfinished_in
from tests.acceptance.test_objects import assert_problem
from tests.acceptance.wire import Connection
from tests.waiting import eventually

MIB = 1024 * 1024
INLINE_BYTES = 256 * 1024
GIB_5 = 5 * 1024 * MIB
BLOCK = random.Random(5).randbytes(MIB)
ROOM = 100_000_000


async def blocks(size: int) -> AsyncIterator[bytes]:
    """So many bytes, no two blocks alike."""
    for number in range(-(-size // MIB)):
        block = number.to_bytes(8, "big") + BLOCK[8:]
        yield block[: size - number * MIB]


async def digest_of(chunks: AsyncIterator[bytes]) -> str:
    digest = hashlib.sha256()
    async for chunk in chunks:
        await asyncio.to_thread(digest.update, chunk)
    return digest.hexdigest()


def peaks(deployment: Deployment) -> Mapping[Service, int]:
    """The most memory each service ever had, in bytes."""
    return {
        service: memory(next(iter(server.pids())), "VmHWM")
        for service, server in deployment.servers.items()
    }


@pytest.mark.timeout(600)
async def test_5_gib_go_in_and_out_in_bounded_memory(
    client: Client, deployment: Deployment
) -> None:
    warm = await client.put("warm", b"x" * 9 * MIB)
    assert warm.status_code == 201, warm.text
    assert (await client.get("warm")).content == b"x" * 9 * MIB
    before = peaks(deployment)

    # Without a length it goes to S3 in parts; with one, up to 5 GiB, in a single request.
    patient = {"Prefer": "wait=60"}
    unknown = await client.put("unknown", blocks(1024 * MIB), headers=patient)
    assert unknown.status_code == 201, unknown.text
    headers = {**patient, "Content-Length": str(GIB_5)}
    written = await client.put("film", blocks(GIB_5), headers=headers)
    assert written.status_code == 201, written.text
    told = written.json()
    assert told["size"] == GIB_5
    async with (
        httpx.AsyncClient(timeout=60) as http,
        http.stream("GET", client.url("getter", "/buckets/default/objects/film")) as answer,
    ):
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) == GIB_5
        assert await digest_of(answer.aiter_raw(MIB)) == told["sha256"]
    risen = {service: peak - before[service] for service, peak in peaks(deployment).items()}
    assert max(risen.values()) < ROOM, risen


async def test_bodies_of_every_way_come_back_byte_for_byte(shared_client: Client) -> None:
    for size in (0, 1, INLINE_BYTES, INLINE_BYTES + 1, 8 * MIB, 8 * MIB + 1):
        body = b"".join([block async for block in blocks(size)])
        for name, content in ((f"length {size}", body), (f"chunked {size}", blocks(size))):
            written = await shared_client.put(name, content)
            assert written.status_code == 201, written.text
            assert written.json()["sha256"] == hashlib.sha256(body).hexdigest()
            read = await shared_client.get(name)
            assert (read.status_code, read.content) == (200, body)
            assert int(read.headers["content-length"]) == size


async def test_a_broken_json_document_of_60_mb_is_refused(shared_client: Client) -> None:
    made = await shared_client.call(
        "create_bucket", json={"name": "readings", "allowed_types": ["json"]}
    )
    assert made.status_code == 201, made.text
    row = json.dumps({"sensor": "છત", "values": list(range(200))}).encode() + b","
    whole = b"[" + row * (60_000_000 // len(row)) + b"null]"
    damaged = bytearray(whole)
    damaged[40_000_000] = 0x01
    kept = await shared_client.put("good", whole, bucket="readings")
    assert kept.status_code == 201, kept.text
    assert kept.json()["type"] == "json"
    for body in (bytes(damaged), whole[:-1], whole + b"]"):
        assert_problem(
            await shared_client.put("bad", body, bucket="readings"), 422, "damaged-content"
        )
    assert_problem(await shared_client.get("bad", bucket="readings"), 404, "not-found")


async def is_empty(store: Store) -> bool:
    return not await keys_in(store) and not await unfinished_in(store)


async def test_a_client_that_leaves_halfway_leaves_nothing(client: Client, store: Store) -> None:
    port = int(client.url("receiver", "").rpartition(":")[2])
    for sent in (100, INLINE_BYTES * 2, 30 * MIB):
        head = (
            b"PUT /buckets/default/objects/half HTTP/1.1\r\nHost: a\r\n"
            b"Content-Length: %d\r\n\r\n" % (sent * 2)
        )
        async with Connection.to(port) as connection:
            await connection.send(head, (BLOCK * 30)[:sent])

    await eventually(partial(is_empty, store), within_seconds=20)
    assert_problem(await client.get("half"), 404, "not-found")


async def test_a_refused_body_is_not_kept(client: Client, store: Store) -> None:
    made = await client.call("create_bucket", json={"name": "scans", "allowed_types": ["pdf"]})
    assert made.status_code == 201, made.text
    for size in (100, INLINE_BYTES * 2, 20 * MIB):
        body = (BLOCK * 20)[:size]
        assert_problem(await client.put("no", body, bucket="scans"), 415, "type-not-allowed")
        wrong = {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
        assert_problem(await client.put("no", body, headers=wrong), 400, "digest-mismatch")

    await eventually(partial(is_empty, store), within_seconds=20)
