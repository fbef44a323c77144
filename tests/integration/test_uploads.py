"""Bodies of any size all the way: in over HTTP, through queue and store, and out again."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from sangraha.http.app import create_app
from sangraha.settings import Settings
from sangraha.store.protocol import PART_BYTES
from tests.integration.conftest import House, open_house
from tests.integration.intake import raw_request
from tests.samples import image
from tests.waiting import eventually

NAMED = "/buckets/default/objects/"


class Client:
    """All services of a house over HTTP."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.app, _ = create_app(house.composition.services, house.composition.metrics)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60)

    async def bodies(self) -> list[str]:
        """All that the store has but what is the system's own, half of a body included."""
        store = self.house.store
        keys = [body.key async for batch in store.list() for body in batch]
        keys += [each.key async for batch in store.unfinished() for each in batch]
        return [key for key in keys if not key.startswith("sangraha/")]

    async def no_bodies(self) -> bool:
        return not await self.bodies()


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    async with open_house(settings) as house:
        client = Client(house)
        async with client.http:
            yield client


async def chunks_of(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 64 * 1024):
        yield body[start : start + 64 * 1024]


INLINE = Settings.model_fields["inline_body_bytes"].default


@pytest.mark.parametrize(
    "size", [0, 1, INLINE, INLINE + 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 12345]
)
async def test_what_was_put_comes_out_as_it_was(client: Client, size: int) -> None:
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    digest = hashlib.sha256(body).digest()
    headers = {"Repr-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:"}
    put = await client.http.put(f"{NAMED}a/b.bin", content=chunks_of(body), headers=headers)
    assert put.status_code == 201, put.text
    assert put.json()["size"] == size
    assert put.json()["sha256"] == digest.hex()
    assert put.headers["etag"] == f'"{digest.hex()}"'
    for address in (put.headers["location"], f"/objects/{put.json()['object_id']}"):
        got = await client.http.get(address)
        assert got.status_code == 200
        assert got.content == body
    assert len(await client.bodies()) == 1
    again = await client.http.put(f"{NAMED}a/b.bin", content=b"new")
    assert again.status_code == 200
    assert again.json()["version"] == 2
    assert (await client.http.get(f"{NAMED}a/b.bin")).content == b"new"


@pytest.mark.parametrize("end", ["]", "", "]]"])
async def test_a_large_json_document_is_known_by_all_of_it(client: Client, end: str) -> None:
    bucket = {"name": "documents", "allowed_types": ["json"]}
    assert (await client.http.post("/buckets", json=bucket)).status_code == 201
    document = "[" + ",".join(f'{{"n": {n}}}' for n in range(900_000)) + end
    assert len(document) > PART_BYTES
    put = await client.http.put("/buckets/documents/objects/a", content=document.encode())
    if end == "]":
        assert put.status_code == 201
        assert put.json()["type"] == "json"
    else:
        assert put.status_code == 422
        assert put.json()["type"] == "/problems/damaged-content"
        await eventually(client.no_bodies)


async def test_a_large_form_file_of_another_type_is_refused_and_not_kept(client: Client) -> None:
    files = {"file": ("a.pdf", image("PNG") + bytes(PART_BYTES), "application/pdf")}
    answer = await client.http.post("/objects/pdf", files=files)
    assert answer.status_code == 415
    await eventually(client.no_bodies)


async def test_a_large_value_of_an_envelope_is_an_object_like_any_other(client: Client) -> None:
    value = json.dumps(["ધ્રુવ" * 100] * 1000, indent=1)
    answer = await client.http.post("/objects", content=f'{{"data": {value}}}')
    assert answer.status_code == 201
    got = await client.http.get(answer.headers["location"])
    assert got.text == value
    assert got.headers["content-type"] == "application/json"


async def test_of_a_client_that_goes_away_nothing_is_kept(client: Client) -> None:
    headers = {"Content-Length": str(10 * PART_BYTES)}
    chunks = [bytes(PART_BYTES // 2)] * 5
    gone = await raw_request(client.app, "PUT", f"{NAMED}a", headers, chunks, is_cut=True)
    assert gone.status == 0
    assert await client.bodies() == []
    assert (await client.http.get(f"{NAMED}a")).status_code == 404


async def test_a_body_with_another_digest_is_not_kept(client: Client) -> None:
    wrong = {"Content-MD5": base64.b64encode(bytes(16)).decode()}
    for size in (10, INLINE + 1, 2 * PART_BYTES):
        answer = await client.http.put(f"{NAMED}a", content=bytes(size), headers=wrong)
        assert answer.json()["type"] == "/problems/digest-mismatch"
    assert await client.bodies() == []


async def test_a_form_of_many_files_is_many_objects(client: Client) -> None:
    large = bytes(INLINE + 1)
    files: list[Any] = [("f", (f"{number}.txt", b"text", "text/plain")) for number in range(30)]
    files.insert(7, ("f", ("large.bin", large, "application/octet-stream")))
    first = await client.http.post("/buckets/default/objects?prefix=in/", files=files)
    assert first.status_code == 200, first.text
    assert first.json()["succeeded"] == 31
    assert (await client.http.get(f"{NAMED}in/large.bin")).content == large
    again = await client.http.post("/buckets/default/objects?prefix=in/", files=files[:2])
    assert again.status_code == 207
    problems = [one["problem"]["type"] for one in again.json()["results"]]
    assert problems == ["/problems/already-exists"] * 2
    over = await client.http.post(
        "/buckets/default/objects?prefix=in/&overwrite=true", files=files[:2]
    )
    assert over.status_code == 200
    assert [one["object"]["version"] for one in over.json()["results"]] == [2, 2]
    names = [f"in/{number}.txt" for number in range(30)]
    ids = [over.json()["results"][0]["object"]["object_id"]]
    deleted = await client.http.post(
        "/objects/delete", json={"object_ids": ids, "names": [*names, "in/none"]}
    )
    assert deleted.status_code == 207
    assert [one["status"] for one in deleted.json()["results"]] == [204] * 31 + [404]


async def test_an_object_goes_through_all_that_can_be_done_to_it(client: Client) -> None:
    http = client.http
    put = await http.put(f"{NAMED}a", content=b"x", headers={"Sangraha-Meta-A": "1"})
    address = f"/objects/{put.json()['object_id']}"
    patched = await http.patch(
        f"{address}/info", json={"metadata": {"a": None, "b": "2"}}, headers={"If-Match": "*"}
    )
    assert patched.status_code == 200, patched.text
    assert patched.json()["metadata"] == {"b": "2"}
    info = await http.get(f"{address}/info")
    assert info.json() == patched.json()
    assert info.headers["etag"] == patched.headers["etag"]
    copy = await http.post(f"{address}/copy", json={"name": "b"})
    assert copy.status_code == 201
    assert (await http.get(copy.headers["location"])).content == b"x"
    taken = await http.post(f"{address}/move", json={"name": "b"})
    assert taken.status_code == 409
    moved = await http.post(f"{address}/move", json={"name": "c"})
    assert moved.status_code == 200
    assert (await http.get(f"{NAMED}a")).status_code == 404
    assert (await http.get(f"{NAMED}c")).content == b"x"
    stale = await http.delete(address, headers={"If-Match": f'"{"0" * 64}"'})
    assert stale.status_code == 412
    assert (await http.delete(address)).status_code == 204
    assert (await http.delete(address)).status_code == 410
    assert (await http.delete(f"{NAMED}b")).status_code == 204
    assert (await http.delete(f"{NAMED}b")).status_code == 404


async def test_a_purge_tells_its_progress_at_its_status_address(client: Client) -> None:
    http = client.http
    assert (await http.post("/buckets", json={"name": "scans"})).status_code == 201
    assert (await http.post("/buckets", json={"name": "scans"})).status_code == 409
    for name in ("a", "b", "c"):
        await http.put(f"/buckets/scans/objects/{name}", content=b"x")
    assert (await http.delete("/buckets/scans")).status_code == 409
    purge = await http.delete("/buckets/scans?purge=true")
    assert purge.status_code == 202
    assert purge.json()["progress"]["total"] == 3

    async def is_done() -> bool:
        status = await http.get(purge.headers["location"])
        return bool(status.json()["status"] == "done")

    await eventually(is_done)
    assert (await http.delete("/buckets/scans")).status_code == 404
    assert (await http.put("/buckets/scans/objects/a", content=b"x")).status_code == 404


async def test_a_status_tells_the_object_that_was_made(client: Client) -> None:
    headers = {"Prefer": "respond-async"}
    accepted = await client.http.put(f"{NAMED}a", content=bytes(INLINE + 1), headers=headers)
    assert accepted.status_code == 202
    status = await client.http.get(accepted.headers["location"], headers={"Prefer": "wait=10"})
    assert status.json()["status"] == "done"
    assert status.json()["object"]["size"] == INLINE + 1
