"""Names, versions and buckets as users meet them."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.test_objects import assert_problem
from tests.acceptance.wire import Answer, Connection, get
from tests.waiting import eventually

GOOD_NAMES = [
    "a",
    "a/b/c.txt",
    "/leading",
    "trailing/",
    "a//b",
    "...",
    "a..b",
    "with space+plus&and=equals?question#hash%percent;semi:colon@at",
    "ધ્રુવ/પત્ર.pdf",
    "👩‍🚀🚀",
    "שלום-עולם",
    "\u202eright-to-left-override",
    "e\u0301 and é",
    "x" * 1024,
    "é" * 512,
]
BAD_PATHS = [
    b"",
    b"..",
    b"a/../b",
    b"./a",
    b"a/.",
    b"%2e%2e/etc",
    b"a%2F..%2Fb",
    b"a%0Ab",
    b"a%00b",
    b"a%7Fb",
    b"a%C2%85b",
    b"%FF",
    b"%C3",
    b"%ED%A0%80",
    b"x" * 1025,
    b"%C3%A9" * 513,
]


@pytest.fixture
def client(shared_client: Client) -> Client:
    return shared_client


def encoded(name: str) -> str:
    return quote(name, safe="")


async def raw(client: Client, service: Any, request: bytes) -> Answer:
    port = int(client.url(service, "").rpartition(":")[2])
    async with Connection.to(port) as connection:
        await connection.send(request)
        return await connection.answer()


def put(path: bytes, body: bytes = b"1", bucket: bytes = b"default") -> bytes:
    head = b"PUT /buckets/%s/objects/%s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
    return head % (bucket, path, len(body)) + body


async def test_any_sensible_name_can_be_used(client: Client) -> None:
    await bucket(client, "names")
    for number, name in enumerate(GOOD_NAMES):
        body = b"%d" % number
        answer = await raw(client, "receiver", put(encoded(name).encode(), body, b"names"))
        assert answer.status == 201, (name, answer.body)
        assert json.loads(answer.body)["name"] == name
        read = await raw(client, "getter", get(answer.headers["location"].encode()))
        assert (read.status, read.body) == (200, body), name
    listed = (await client.call("list_names", path="names")).json()
    assert [one["name"] for one in listed["objects"]] == sorted(
        GOOD_NAMES, key=lambda name: name.encode()
    )
    assert listed["next_cursor"] is None


async def test_a_name_nobody_should_use_is_refused(client: Client) -> None:
    for path in BAD_PATHS:
        written = await raw(client, "receiver", put(path))
        read = await raw(client, "getter", get(b"/buckets/default/objects/" + path))
        for answer in (written, read):
            assert answer.status == 422, path
            assert json.loads(answer.body)["type"] == "/problems/invalid-name", path


async def test_an_encoded_slash_is_a_slash(client: Client) -> None:
    assert (await raw(client, "receiver", put(b"slash%2Fed"))).status == 201
    assert (await client.get("slash/ed")).content == b"1"


async def test_a_bucket_needs_a_plain_name(client: Client) -> None:
    for name in ("A", "a", "ab.", "-ab", "a" * 64, "sangraha", "a..b", "a/b"):
        answer = await client.call("create_bucket", json={"name": name})
        assert_problem(answer, 422, "invalid-name")


async def test_writing_a_name_again_makes_a_version(client: Client) -> None:
    first = await client.put("letter", b"one")
    assert first.status_code == 201
    assert first.headers["location"] == "/buckets/default/objects/letter"
    second = await client.put("letter", b"two")
    assert second.status_code == 200
    told = second.json()
    assert second.headers["content-location"] == f"/objects/{told['object_id']}/info"
    assert (first.json()["version"], told["version"]) == (1, 2)
    assert (await client.get("letter")).content == b"two"
    assert (await client.get("letter", params={"version": 1})).content == b"one"
    versions = await listed_versions(client, "letter")
    assert [(one["version"], one["current"]) for one in versions] == [(2, True), (1, False)]


@asynccontextmanager
async def slow_put(client: Client, name: bytes, body: bytes) -> AsyncIterator[Connection]:
    """Half of it has been sent when the block begins, the rest when it ends."""
    port = int(client.url("receiver", "").rpartition(":")[2])
    whole = put(name, body)
    async with Connection.to(port) as connection:
        await connection.send(whole[: -len(body) // 2])
        yield connection
        await connection.send(whole[-len(body) // 2 :])
        assert (await connection.answer()).status in (200, 201)


@pytest.mark.parametrize("size", [1_000, 3_000_000], ids=["small", "large"])
async def test_a_write_counts_from_when_its_body_has_come(client: Client, size: int) -> None:
    name = f"slowly {size}"
    slow = bytes(size)
    seen = []

    async def last_modified() -> datetime:
        answer = await client.get(name)
        seen.append(parsedate_to_datetime(answer.headers["last-modified"]))
        return seen[-1]

    async with slow_put(client, encoded(name).encode(), slow):
        begun = datetime.now(UTC)
        # Longer than what clocks may differ by.
        await eventually(lambda: datetime.now(UTC) > begun + timedelta(seconds=2.5))
        assert (await client.put(name, b"quick")).status_code == 201
        since = format_datetime(await last_modified(), usegmt=True)
        await eventually(lambda: datetime.now(UTC) > seen[0] + timedelta(seconds=1))
    read = await client.get(name, headers={"If-Modified-Since": since})
    assert (read.status_code, read.content) == (200, slow)
    assert await last_modified() > seen[0]

    async with slow_put(client, encoded(name).encode(), b"undone"):
        path = {"bucket": "default", "name": encoded(name)}
        assert (await client.call("delete_name", path=path)).status_code == 204
    assert (await client.get(name)).content == b"undone"


async def listed_versions(client: Client, name: str) -> list[dict[str, Any]]:
    path = {"bucket": "default", "name": name}
    answer = await client.call("list_versions", path=path)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["versions"]
    return found


async def test_50_clients_that_write_one_name_make_50_versions(client: Client) -> None:
    bodies = [b"body %d" % number for number in range(50)]
    answers = await asyncio.gather(*(client.put("same", body) for body in bodies))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert sum(answer.status_code == 201 for answer in answers) == 1
    versions = await listed_versions(client, "same")
    assert [one["version"] for one in versions] == list(range(50, 0, -1))
    assert [one["current"] for one in versions] == [True] + [False] * 49
    read = [
        (await client.get("same", params={"version": one["version"]})).content for one in versions
    ]
    assert sorted(read) == sorted(bodies)
    assert (await client.get("same")).content == read[0]


async def test_a_deleted_name_is_gone_until_an_old_version_is_put_on_top(client: Client) -> None:
    path = {"bucket": "default", "name": "note"}
    assert_problem(await client.call("delete_name", path=path), 404, "not-found")
    kept = (await client.put("note", b"kept")).json()
    deleted = await client.call("delete_name", path=path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert_problem(await client.get("note"), 404, "not-found")
    assert_problem(await client.call("delete_name", path=path), 404, "not-found")
    assert (await client.get("note", params={"version": 1})).content == b"kept"
    assert (await client.read(kept["object_id"])).content == b"kept"
    versions = await listed_versions(client, "note")
    assert [(one["version"], one["deleted"]) for one in versions] == [(2, True), (1, False)]
    restored = await client.call(
        "copy_object", path=kept["object_id"], json={"name": "note", "overwrite": True}
    )
    assert restored.status_code == 201, restored.text
    assert restored.json()["version"] == 3
    assert (await client.get("note")).content == b"kept"


async def test_a_version_that_is_deleted_for_good_is_gone(client: Client) -> None:
    first = (await client.put("log", b"first")).json()
    second = (await client.put("log", b"second")).json()
    answer = await client.call("delete_object", path=second["object_id"])
    assert answer.status_code == 204, answer.text
    assert_problem(await client.read(second["object_id"]), 410, "gone")
    again = await client.call("delete_object", path=second["object_id"])
    assert_problem(again, 410, "gone")
    assert (await client.get("log")).content == b"first"
    assert (await client.put("log", b"third")).json()["version"] == 3
    assert (await client.read(first["object_id"])).content == b"first"


async def test_metadata_is_changed_by_a_merge_patch_of_the_right_revision(client: Client) -> None:
    headers = {"Sangraha-Meta-Room": "12", "Sangraha-Meta-Floor": "%E0%AB%A9"}
    made = (await client.put("plan", b"plan", headers=headers)).json()
    info = await client.call("get_info", path=made["object_id"])
    assert info.json()["metadata"] == {"room": "12", "floor": "૩"}
    change = {"metadata": {"room": None, "floor": "4", "wing": "east"}}
    bare = await client.call("patch_info", path=made["object_id"], json=change)
    assert_problem(bare, 428, "precondition-required")
    match = {"If-Match": info.headers["etag"], "Content-Type": "application/merge-patch+json"}
    arguments: dict[str, Any] = {"path": made["object_id"], "content": json.dumps(change)}
    patched = await client.call("patch_info", **arguments, headers=match)
    assert patched.status_code == 200, patched.text
    assert patched.json()["metadata"] == {"floor": "4", "wing": "east"}
    assert patched.headers["etag"] != info.headers["etag"]
    late = await client.call("patch_info", **arguments, headers=match)
    assert_problem(late, 412, "precondition-failed")
    # The bytes are the same, and so is their entity tag.
    assert (await client.get("plan")).headers["etag"] == f'"{made["sha256"]}"'


@pytest.mark.parametrize("asynchronously", [False, True])
async def test_create_only_and_compare_and_swap(client: Client, asynchronously: bool) -> None:
    name = f"cas-{asynchronously}"

    async def conditional(body: bytes, **conditions: str) -> tuple[str, Any]:
        headers = {field.replace("_", "-"): value for field, value in conditions.items()}
        if asynchronously:
            headers["Prefer"] = "respond-async"
        answer = await client.put(name, body, headers=headers)
        if not asynchronously:
            return ("done" if answer.is_success else "rejected"), answer.json()
        assert answer.status_code == 202, answer.text
        status = await client.ended(answer.json()["request_id"])
        return status["status"], status.get("object") or status["problem"]

    state, first = await conditional(b"1", If_None_Match="*")
    assert state == "done"
    state, problem = await conditional(b"2", If_None_Match="*")
    assert (state, problem["type"]) == ("rejected", "/problems/precondition-failed")
    tag = f'"{first["sha256"]}"'
    state, _ = await conditional(b"3", If_Match=tag)
    assert state == "done"
    state, problem = await conditional(b"4", If_Match=tag)
    assert (state, problem["status"]) == ("rejected", 412)
    assert (await client.get(name)).content == b"3"
    if_match = {"If-Match": tag}
    path = {"bucket": "default", "name": name}
    kept = await client.call("delete_name", path=path, headers=if_match)
    assert_problem(kept, 412, "precondition-failed")


async def test_copy_and_move(client: Client) -> None:
    await bucket(client, "archive")
    made = (await client.put("draft", b"text", headers={"Sangraha-Meta-By": "dev"})).json()
    copied = await client.call(
        "copy_object", path=made["object_id"], json={"bucket": "archive", "name": "copy"}
    )
    assert copied.status_code == 201, copied.text
    assert copied.headers["location"] == f"/objects/{copied.json()['object_id']}"
    assert copied.json()["object_id"] != made["object_id"]
    assert copied.json()["metadata"] == {"by": "dev"}
    taken = {"bucket": "archive", "name": "copy"}
    again = await client.call("copy_object", path=made["object_id"], json=taken)
    assert_problem(again, 409, "already-exists")
    refused = await client.call("move_object", path=made["object_id"], json=taken)
    assert_problem(refused, 409, "already-exists")
    moved = await client.call(
        "move_object", path=made["object_id"], json={"bucket": "archive", "name": "final"}
    )
    assert moved.status_code == 200, moved.text
    assert moved.json()["object_id"] == made["object_id"]
    assert_problem(await client.get("draft"), 404, "not-found")
    assert (await client.get("final", bucket="archive")).content == b"text"
    assert (await client.read(made["object_id"])).content == b"text"
    assert (await client.get("copy", bucket="archive")).content == b"text"


async def bucket(client: Client, name: str, **settings: Any) -> httpx.Response:
    answer = await client.call("create_bucket", json={"name": name, **settings})
    assert answer.status_code == 201, answer.text
    return answer


async def bucket_names(client: Client) -> list[str]:
    answer = await client.call("list_buckets")
    assert answer.status_code == 200, answer.text
    return [one["name"] for one in answer.json()["buckets"]]


async def test_a_bucket_has_rules(client: Client) -> None:
    before = await bucket_names(client)
    assert "default" in before
    await bucket(
        client,
        "rules",
        allowed_types=["json", "text/*"],
        max_object_bytes=300_000,
        versions_to_keep=2,
        default_metadata={"origin": "scanner"},
        name_cache_seconds=7,
        id_cache_seconds=0,
    )
    assert_problem(await client.put("a", b"%PDF-", bucket="rules"), 415, "type-not-allowed")
    assert_problem(await client.put("a", b"", bucket="rules"), 422, "empty-body")
    gzip = {"Content-Encoding": "gzip"}
    encoded_json = await client.put("a", b"{}", bucket="rules", headers=gzip)
    assert_problem(encoded_json, 415, "encoding-not-allowed")
    large = b'"' + b"a" * 300_000 + b'"'
    assert_problem(await client.put("a", large, bucket="rules"), 413, "body-too-large")
    for number in range(4):
        answer = await client.put("a", b"%d" % number, bucket="rules")
        assert answer.json()["metadata"] == {"origin": "scanner"}
    versions = await client.call("list_versions", path={"bucket": "rules", "name": "a"})
    assert [one["version"] for one in versions.json()["versions"]] == [4, 3]
    read = await client.get("a", bucket="rules")
    assert read.headers["cache-control"] == "private, max-age=7"
    text = await client.put("b", b"plain words", bucket="rules")
    assert (text.json()["type"], text.json()["content_type"]) == ("other", "text/plain")

    found = await client.call("get_bucket", path="rules")
    assert found.json()["versions_to_keep"] == 2
    changed = await client.call(
        "patch_bucket",
        path="rules",
        json={"max_object_bytes": None, "allowed_types": []},
        headers={"If-Match": found.headers["etag"]},
    )
    assert changed.status_code == 200, changed.text
    assert (await client.put("c", large + b"x", bucket="rules")).status_code == 201
    assert await bucket_names(client) == sorted([*before, "rules"])


async def test_a_bucket_is_deleted_when_it_is_empty_or_purged(client: Client) -> None:
    await bucket(client, "empty")
    assert (await client.call("delete_bucket", path="empty")).status_code == 204
    assert_problem(await client.call("get_bucket", path="empty"), 404, "not-found")
    assert_problem(await client.put("a", b"1", bucket="empty"), 404, "not-found")
    default = await client.call("delete_bucket", path="default")
    assert_problem(default, 422, "invalid-parameter")

    await bucket(client, "full")
    made = [
        (await client.put(f"{number}", b"x", bucket="full")).json()["object_id"]
        for number in range(5)
    ]
    refused = await client.call("delete_bucket", path="full")
    assert_problem(refused, 409, "bucket-not-empty")
    purging = await client.call("delete_bucket", path="full", params={"purge": "true"})
    assert purging.status_code == 202, purging.text
    assert purging.headers["location"] == f"/requests/{purging.json()['request_id']}"
    assert purging.json()["progress"]["total"] == 5
    assert (await client.ended(purging.json()["request_id"]))["status"] == "done"
    for object_id in made:
        assert_problem(await client.read(object_id), 410, "gone")
    await bucket(client, "full")
    assert (await client.call("list_names", path="full")).json()["objects"] == []


async def upload(
    client: Client, files: Mapping[str, bytes], **request: Any
) -> tuple[int, dict[str, Any]]:
    form = [("file", (name, body)) for name, body in files.items()]
    answer = await client.call("create_files", path="default", files=form, **request)
    return answer.status_code, answer.json()


async def test_a_form_of_many_files(client: Client) -> None:
    files = {"a.txt": b"a", "પત્ર.txt": b"b", "large.bin": bytes(3_000_000)}
    status, told = await upload(client, files, params={"prefix": "in/"})
    assert status == 200, told
    assert (told["succeeded"], told["failed"]) == (3, 0)
    assert [one["name"] for one in told["results"]] == [f"in/{name}" for name in files]
    for name, body in files.items():
        assert (await client.get("in/" + encoded(name))).content == body
    status, told = await upload(client, {"a.txt": b"again", "new": b"n"}, params={"prefix": "in/"})
    assert status == 207
    assert [one["status"] for one in told["results"]] == [409, 201]
    assert told["results"][0]["problem"]["type"] == "/problems/already-exists"
    params = {"prefix": "in/", "overwrite": "true"}
    status, told = await upload(client, {"a.txt": b"again"}, params=params)
    assert (status, told["results"][0]["status"]) == (200, 200)
    assert (await client.get("in/a.txt")).content == b"again"


async def test_many_are_deleted_at_once(client: Client) -> None:
    await bucket(client, "many")
    for name in ("a", "b", "c"):
        await client.put(name, name.encode(), bucket="many")
    bare = (await client.put("d", b"d", bucket="many")).json()["object_id"]
    asked = {"bucket": "many", "names": ["a", "b", "nothing"], "object_ids": [bare]}
    answer = await client.call("delete_objects", json=asked)
    assert answer.status_code == 207, answer.text
    statuses = {
        one.get("name") or one["object_id"]: one["status"] for one in answer.json()["results"]
    }
    assert statuses == {"a": 204, "b": 204, "nothing": 404, bare: 204}
    listed = (await client.call("list_names", path="many")).json()
    assert [one["name"] for one in listed["objects"]] == ["c"]


async def test_a_bucket_is_listed_like_folders(client: Client) -> None:
    await bucket(client, "folders")
    for name in ("a/1", "a/2", "a/b/3", "c", "d/4"):
        headers = {"Sangraha-Meta-Kind": name[0]}
        await client.put(name, name.encode(), bucket="folders", headers=headers)

    async def listed(**query: Any) -> tuple[list[str], list[str], str | None]:
        answer = await client.call("list_names", path="folders", params=query)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        return [one["name"] for one in page["objects"]], page["prefixes"], page["next_cursor"]

    assert await listed(delimiter="/") == (["c"], ["a/", "d/"], None)
    assert await listed(prefix="a/", delimiter="/") == (["a/1", "a/2"], ["a/b/"], None)
    assert (await listed(**{"metadata.kind": "a"}))[0] == ["a/1", "a/2", "a/b/3"]
    assert (await listed(type="image"))[0] == []
    assert (await listed(created_after="2099-01-01T00:00:00Z"))[0] == []
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        names, _, cursor = await listed(**query)
        assert len(names) <= 2
        seen += names
    assert seen == ["a/1", "a/2", "a/b/3", "c", "d/4"]
    assert_problem(
        await client.call("list_names", path="folders", params={"cursor": "no"}),
        422,
        "invalid-parameter",
    )
