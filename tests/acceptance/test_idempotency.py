"""Idempotency keys: a request that is sent again is done once, and answered alike."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from development.servers import PostgresServer
from sangraha.store.protocol import Store
from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment
from tests.acceptance.stored import keys_in, unfinished_in
from tests.acceptance.test_objects import assert_problem
from tests.acceptance.test_outages import is_problem, proxied, with_receiver_at
from tests.samples import image
from tests.waiting import eventually

MIB = 1024 * 1024
LARGE = bytes(range(256)) * (6 * MIB // 256)
TOLD = ("location", "content-location", "etag", "preference-applied")
REUSED = "idempotency-key-reused"

Headers = dict[str, str]


def key(value: str = "", **others: str) -> Headers:
    """A key that no other test uses, unless one is given; and other headers."""
    return {"Idempotency-Key": value or str(uuid.uuid4()), **others}


def is_replay(answer: httpx.Response) -> bool:
    told = answer.headers.get("idempotency-replayed")
    assert told in (None, "true")
    return told is not None


def assert_alike(first: httpx.Response, again: httpx.Response) -> None:
    assert (again.status_code, again.content) == (first.status_code, first.content), again.text
    for name in TOLD:
        assert again.headers.get(name) == first.headers.get(name), name


async def twice(
    send: Callable[[Headers], Awaitable[httpx.Response]], headers: Headers | None = None
) -> httpx.Response:
    """Send it twice with one key; the second answer says what the first did."""
    headers = headers or key()
    first, again = await send(headers), await send(headers)
    assert not is_replay(first)
    assert is_replay(again), again.text
    assert_alike(first, again)
    return first


async def version_count(client: Client, name: str, bucket: str = "default") -> int:
    answer = await client.call("list_versions", path={"bucket": bucket, "name": name})
    return len(answer.json()["versions"])


async def total(client: Client) -> int:
    return int((await client.call("list_objects")).json()["total"])


async def test_a_write_that_is_sent_again_is_done_once_and_answered_alike(
    shared_client: Client,
) -> None:
    client = shared_client
    before = await total(client)
    created = await twice(lambda headers: client.create("json", b"[1]", headers=headers))
    assert created.status_code == 201
    # Each time the form has another boundary.
    picture = image("PNG")
    await twice(lambda headers: client.create("image", picture, "a.png", headers))
    assert await total(client) == before + 2
    for status in (201, 200):
        put = await twice(lambda headers: client.put("again", b"same", headers=headers))
        assert put.status_code == status
    assert await version_count(client, "again") == 2


async def test_a_key_may_be_a_string_or_bare_and_must_be_one(shared_client: Client) -> None:
    bare = await shared_client.put("bare", b"1", headers=key("10a/b+c=="))
    quoted = await shared_client.put("bare", b"1", headers=key('"10a/b+c=="'))
    assert is_replay(quoted)
    assert_alike(bare, quoted)
    for wrong in ("", '""', "a b", '"a', "a,b", "a" * 256, '"' + "a" * 256 + '"', "é"):
        for sent in (
            shared_client.put("refused", b"1", headers={"Idempotency-Key": wrong.encode()}),
            shared_client.call(
                "delete_objects",
                json={"names": ["bare"]},
                headers={"Idempotency-Key": wrong.encode()},
            ),
        ):
            assert_problem(await sent, 400, "malformed-request")
    assert (await shared_client.get("refused")).status_code == 404
    assert (await shared_client.get("bare")).status_code == 200


async def test_a_key_of_another_request_is_refused_and_nothing_done(
    shared_client: Client,
) -> None:
    client = shared_client
    headers = key(**{"Content-Type": "text/plain", "Sangraha-Meta-a": "b"})
    first = await client.put("taken", b"one", headers=headers)
    others: list[tuple[str, bytes, Headers]] = [
        ("taken", b"two", {}),
        ("taken-too", b"one", {}),
        ("taken", b"one", {"Content-Type": "text/csv"}),
        ("taken", b"one", {"Sangraha-Meta-a": "c"}),
        ("taken", b"one", {"If-None-Match": "*"}),
        ("taken", b"one", {"Content-Encoding": "gzip"}),
        ("taken", b"one", {"Content-Disposition": 'attachment; filename="x"'}),
        ("taken", LARGE, {}),
    ]
    for name, body, different in others:
        answer = await client.put(name, body, headers={**headers, **different})
        assert_problem(answer, 422, REUSED)
    path = {"bucket": "default", "name": "taken"}
    assert_problem(await client.call("delete_name", path=path, headers=headers), 422, REUSED)
    assert_problem(await client.create("json", b"1", headers=headers), 422, REUSED)
    assert (await client.get("taken-too")).status_code == 404
    assert await version_count(client, "taken") == 1
    # What does not matter for the write may differ.
    asked = {**headers, "Prefer": "wait=20", "X-Correlation-ID": "other"}
    again = await client.put("taken", b"one", headers=asked)
    assert is_replay(again)
    assert again.content == first.content


async def test_many_at_once_with_one_key_make_one_object(shared_client: Client) -> None:
    before = await total(shared_client)
    headers = key()
    answers = await asyncio.gather(
        *(shared_client.create("json", b"[2]", headers=headers) for _ in range(20))
    )
    for answer in answers:
        assert answer.status_code == 201, answer.text
        assert_alike(answers[0], answer)
    assert await total(shared_client) == before + 1


async def test_a_refusal_of_what_was_accepted_is_given_again(shared_client: Client) -> None:
    client = shared_client
    await client.put("there", b"1")
    refused = await twice(
        lambda headers: client.put("there", b"2", headers=headers), key(**{"If-None-Match": "*"})
    )
    assert_problem(refused, 412, "precondition-failed")
    wrong = await twice(lambda headers: client.create("pdf", image("PNG"), headers=headers))
    assert_problem(wrong, 415, "type-not-allowed")


async def test_what_was_refused_before_it_was_accepted_does_not_bind_the_key(
    shared_client: Client,
) -> None:
    headers = key()
    wrong = await shared_client.put(
        "unbound", b"1", headers={**headers, "Content-MD5": "XUFAKrxLKna5cZ2REBfFkg=="}
    )
    assert_problem(wrong, 400, "digest-mismatch")
    assert (await shared_client.put("unbound", b"2", headers=headers)).status_code == 201


async def test_who_does_not_wait_is_sent_to_the_same_status(shared_client: Client) -> None:
    headers = key(Prefer="respond-async")
    first = await shared_client.put("later", b"1", headers=headers)
    assert first.status_code == 202
    assert (await shared_client.ended(first.json()["request_id"]))["status"] == "done"
    again = await shared_client.put("later", b"1", headers=headers)
    assert is_replay(again)
    assert_alike(first, again)


async def test_changes_are_done_once(shared_client: Client) -> None:
    client = shared_client
    made = await twice(
        lambda headers: client.call("create_bucket", json={"name": "once"}, headers=headers)
    )
    assert made.status_code == 201
    patch = {"versions_to_keep": 9}
    patched = await twice(
        lambda headers: client.call("patch_bucket", path="once", json=patch, headers=headers)
    )
    assert patched.status_code == 200
    object_id = (await client.put("original", b"1", bucket="once")).json()["object_id"]
    changes: list[tuple[str, Any, int]] = [
        ("patch_info", {"metadata": {"a": "b"}}, 200),
        ("copy_object", {"bucket": "once", "name": "copy", "overwrite": True}, 201),
        ("move_object", {"bucket": "once", "name": "moved"}, 200),
        ("delete_object", None, 204),
    ]
    for operation, document, status in changes:

        async def change(
            headers: Headers, operation: str = operation, document: Any = document
        ) -> httpx.Response:
            matching = {**headers, "If-Match": "*"} if operation == "patch_info" else headers
            body = {} if document is None else {"json": document}
            return await client.call(operation, path=object_id, headers=matching, **body)

        assert (await twice(change)).status_code == status
    assert await version_count(client, "copy", "once") == 1
    copied = {"bucket": "once", "name": "copy"}
    deleted = await twice(lambda headers: client.call("delete_name", path=copied, headers=headers))
    assert deleted.status_code == 204
    assert await version_count(client, "copy", "once") == 2
    headers = key(Prefer="respond-async")
    purged = [
        await client.call("delete_bucket", path="once", params={"purge": "true"}, headers=headers)
        for _ in range(2)
    ]
    assert purged[0].status_code == 202
    assert_alike(*purged)


async def test_a_form_of_many_files_is_kept_once(shared_client: Client) -> None:
    client = shared_client

    async def send(
        headers: Headers, names: tuple[str, ...] = ("a", "b", "..", "c")
    ) -> httpx.Response:
        files = [("file", (name, name.encode(), "text/plain")) for name in names]
        return await client.call(
            "create_files",
            path="default",
            params={"prefix": "form/", "overwrite": "true"},
            files=files,
            headers=headers,
        )

    headers = key()
    answer = await twice(send, headers)
    assert answer.status_code == 207
    assert [one["status"] for one in answer.json()["results"]] == [201, 201, 422, 201]
    for names in (("a", "b"), ("a", "b", "..", "c", "d"), ("a", "b", "..", "d")):
        assert_problem(await send(headers, names), 422, REUSED)
    assert [await version_count(client, f"form/{name}") for name in "abc"] == [1, 1, 1]
    assert (await client.get("form/d")).status_code == 404


async def test_a_form_that_broke_off_is_taken_up_where_it_was(client: Client) -> None:
    """Groups of a form are sent as they are full: the first ones may be done, the last not."""
    headers = key(**{"Content-Type": "multipart/form-data; boundary=x"})
    body = bytes(200_000)
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="%d"\r\n\r\n%s\r\n'
        % (number, body)
        for number in range(30)
    ]
    path = {"path": "default", "params": {"prefix": "broken/"}, "headers": headers}
    cut = await client.call("create_files", content=b"".join(parts), **path)
    done = assert_problem(cut, 400, "malformed-request")["results"]
    before = {one["name"]: one["object"] for one in done if "object" in one}
    assert 10 < len(before) < 30
    whole = await client.call("create_files", content=b"".join(parts) + b"--x--\r\n", **path)
    assert whole.status_code == 200, whole.text
    assert not is_replay(whole)
    after = {one["name"]: one["object"] for one in whole.json()["results"]}
    assert len(after) == 30
    assert before.items() <= after.items()
    again = await client.call("create_files", content=b"".join(parts) + b"--x--\r\n", **path)
    assert is_replay(again)
    assert_alike(whole, again)


async def test_many_are_deleted_once(shared_client: Client) -> None:
    client = shared_client
    object_id = (await client.put("bulk/a", b"1")).json()["object_id"]
    await client.put("bulk/b", b"1")

    async def delete(headers: Headers) -> httpx.Response:
        document = {"object_ids": [object_id], "names": ["bulk/b", "bulk/none"]}
        return await client.call("delete_objects", json=document, headers=headers)

    answer = await twice(delete)
    assert [one["status"] for one in answer.json()["results"]] == [204, 204, 404]
    assert await version_count(client, "bulk/b") == 2


async def test_a_large_body_that_comes_again_is_kept_once(client: Client, store: Store) -> None:
    headers = key()
    await twice(lambda headers: client.put("large", LARGE, headers=headers))
    assert len(await keys_in(store)) == 1
    answers = await asyncio.gather(
        *(client.put("at-once", LARGE, headers=headers) for _ in range(6))
    )
    for answer in answers:
        assert answer.status_code == 201, answer.text
        assert_alike(answers[0], answer)
    other = await client.put("at-once", LARGE[1:], headers=headers)
    assert_problem(other, 422, REUSED)

    async def is_tidy() -> bool:
        return len(await keys_in(store)) == 2 and not await unfinished_in(store)

    await eventually(is_tidy, what="one body for each object")
    assert (await client.get("at-once")).content == LARGE
    assert await version_count(client, "at-once") == 1


async def test_a_retry_meets_the_first_on_its_way_also_at_another_receiver(
    rabbitmq_url: str, minio_store_url: str, postgres_url: str
) -> None:
    deployment = Deployment.services(rabbitmq_url, minio_store_url, postgres_url)
    orchestrator, first = deployment.servers["orchestrator"], deployment.servers["receiver"]
    async with deployment.running() as client:
        with first.another("second") as second:
            elsewhere = Deployment({**deployment.servers, "receiver": second})
            async with elsewhere.client() as other:
                headers = key()
                orchestrator.freeze()
                try:
                    accepted = await client.put(
                        "way", LARGE, headers={**headers, "Prefer": "respond-async"}
                    )
                    assert accepted.status_code == 202, accepted.text
                    waiting = [
                        asyncio.create_task(one.put("way", LARGE, headers=headers))
                        for one in (client, other, other)
                    ]
                    refused = await other.put("way", LARGE[1:], headers=headers)
                    assert_problem(refused, 422, REUSED)
                    # Whoever accepted it is not needed any more.
                    await asyncio.to_thread(first.kill)
                finally:
                    orchestrator.thaw()
                answers = await asyncio.gather(*waiting, return_exceptions=True)
                assert isinstance(answers[0], httpx.HTTPError)
                request_id = accepted.json()["request_id"]
                for answer in answers[1:]:
                    assert isinstance(answer, httpx.Response)
                    assert answer.status_code == 201, answer.text
                    assert answer.json()["request_id"] == request_id
                again = await other.put("way", LARGE, headers=headers)
                assert is_replay(again)
                assert await version_count(other, "way") == 1


async def test_without_the_catalog_only_what_has_no_key_is_accepted(
    rabbitmq_url: str, minio_store_url: str, own_postgres_server: PostgresServer
) -> None:
    deployment = Deployment.services(
        rabbitmq_url, minio_store_url, own_postgres_server.new_database()
    )
    async with deployment.running() as client:
        await asyncio.to_thread(own_postgres_server.stop)
        headers = key(Prefer="respond-async")
        is_problem(await client.put("away", b"1", headers=headers), "catalog-unavailable")
        plain = await client.create("json", b"1", headers={"Prefer": "respond-async"})
        assert plain.status_code == 202
        await asyncio.to_thread(own_postgres_server.start)
        assert (await client.ended(plain.json()["request_id"]))["status"] == "done"
        assert (await client.get("away")).status_code == 404
        assert (await client.put("away", b"1", headers=headers)).status_code == 202


@pytest.mark.parametrize("body", [b"1", LARGE[: MIB // 2]], ids=["inline", "claimed"])
async def test_after_an_unknown_outcome_the_same_request_is_continued(
    rabbitmq_url: str, minio_store_url: str, postgres_url: str, body: bytes
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
            headers = key()
            proxy.swallow_answers()
            unknown = await client.put("unknown", body, headers=headers)
            is_problem(unknown, "outcome-unknown")
            proxy.cut()
            proxy.restore()

            async def answered() -> Any:
                answer = await client.put("unknown", body, headers=headers)
                return None if answer.status_code == 503 else answer

            answer = await eventually(answered, within_seconds=30)
            assert answer.status_code == 201, answer.text
            assert answer.json()["request_id"] == unknown.json()["request_id"]
            assert await version_count(client, "unknown") == 1
