"""Objects read through the queue: by id and by name, small and large, there and gone."""

import hashlib
import random
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from sangraha.buckets import BucketSettings
from sangraha.messages import (
    CreateBucket,
    DeleteBucket,
    DeleteName,
    DeleteObject,
    PatchInfo,
)
from sangraha_orchestrator.reads import MAX_REPLIED_BODY
from tests.integration.conftest import House
from tests.integration.shelf import Shelf, assert_problem


@pytest.fixture
async def shelf(house: House) -> AsyncIterator[Shelf]:
    async with Shelf.of(house) as shelf:
        yield shelf


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize(
    ("size", "streams"),
    [(0, 0), (1, 0), (MAX_REPLIED_BODY, 0), (MAX_REPLIED_BODY + 1, 1), (3_000_000, 1)],
)
async def test_a_body_comes_in_the_reply_or_where_it_is_large_from_the_store(
    shelf: Shelf, size: int, streams: int
) -> None:
    body = content(size)
    stored = await shelf.put(body, before=b"other bytes", name="a")
    by_id = await shelf.get(f"/objects/{stored.object_id}")
    assert (by_id.status_code, by_id.content) == (200, body)
    taken = shelf.house.metric("sangraha_store_seconds_count", operation="stream", result="ok")
    assert taken == streams
    by_name = await shelf.get("/buckets/default/objects/a")
    assert (by_name.status_code, by_name.content) == (200, body)
    for answer in (by_id, by_name):
        assert answer.headers["etag"] == f'"{hashlib.sha256(body).hexdigest()}"'
        assert answer.headers["content-length"] == str(size)
    assert by_name.headers["content-location"] == f"/objects/{stored.object_id}"
    head = await shelf.http.head("/buckets/default/objects/a")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(size)


async def test_ranges_of_a_large_body_are_read_where_it_lies(shelf: Shelf) -> None:
    body = content(700_000)
    stored = await shelf.put(body, before=b"#" * 1000, name="a")
    path = f"/objects/{stored.object_id}"
    one = await shelf.get(path, headers={"Range": "bytes=600000-600009"})
    assert (one.status_code, one.content) == (206, body[600_000:600_010])
    end = await shelf.get(path, headers={"Range": "bytes=-1"})
    assert (end.status_code, end.content) == (206, body[-1:])
    several = await shelf.get(path, headers={"Range": "bytes=0-1,500000-599999"})
    assert several.status_code == 206
    assert body[500_000:600_000] in several.content
    assert len(several.content) == int(several.headers["content-length"])
    beyond = await shelf.get(path, headers={"Range": "bytes=700000-"})
    assert_problem(beyond, 416, "range-not-satisfiable")
    assert beyond.headers["content-range"] == "bytes */700000"


async def test_a_date_is_enough_to_go_on_where_it_can_only_be_the_same_bytes(shelf: Shelf) -> None:
    stored = await shelf.put(b"text", name="a")
    name = "/buckets/default/objects/a"
    for path, status in (
        (f"/objects/{stored.object_id}", 206),
        (f"{name}?version=1", 206),
        (name, 200),
    ):
        date = (await shelf.http.head(path)).headers["last-modified"]
        answer = await shelf.get(path, headers={"Range": "bytes=1-2", "If-Range": date})
        assert answer.status_code == status, path


@pytest.mark.parametrize("size", [10, 700_000])
async def test_what_the_client_has_is_not_read_from_the_store(shelf: Shelf, size: int) -> None:
    stored = await shelf.put(content(size), name="a")
    location = await shelf.location(stored)
    await shelf.house.store.delete(location.key)
    for path in (f"/objects/{stored.object_id}", "/buckets/default/objects/a"):
        for known in (stored.etag, "*", f'"x", W/{stored.etag}'):
            answer = await shelf.get(path, headers={"If-None-Match": known})
            assert (answer.status_code, answer.content) == (304, b"")
        assert_problem(await shelf.get(path), 500, "body-missing")
        assert (await shelf.http.head(path)).status_code == 200


async def test_there_is_nothing_at_an_address_that_never_was(shelf: Shelf) -> None:
    stored = await shelf.put(b"a", name="a")
    unknown = shelf.house.mint.new()
    for path in (
        f"/objects/{unknown}",
        f"/objects/{unknown}/info",
        "/buckets/default/objects/b",
        "/buckets/default/objects/a?version=2",
        "/buckets/nowhere/objects/a",
        "/buckets/nowhere",
        "/buckets/nowhere/objects",
        "/buckets/nowhere/versions/a",
        "/buckets/default/versions/b",
    ):
        assert_problem(await shelf.get(path), 404, "not-found")
        assert (await shelf.http.head(path)).status_code == 404
    assert_problem(await shelf.get("/objects/1"), 422, "invalid-parameter")
    assert (await shelf.get(f"/objects/{stored.object_id}")).status_code == 200


async def test_what_was_deleted_for_good_is_gone_and_what_was_only_unnamed_is_not(
    shelf: Shelf,
) -> None:
    first = await shelf.put(b"1", name="a")
    second = await shelf.put(b"2", name="a")
    mint = shelf.house.mint
    await shelf.change(DeleteName(request_id=mint.new(), bucket="default", name="a"))
    assert_problem(await shelf.get("/buckets/default/objects/a"), 404, "not-found")
    old = await shelf.get("/buckets/default/objects/a", params={"version": second.version})
    assert (old.status_code, old.content) == (200, b"2")
    assert (await shelf.get(f"/objects/{second.object_id}")).content == b"2"
    await shelf.change(DeleteObject(request_id=mint.new(), object_id=second.object_id))
    for path in (f"/objects/{second.object_id}", f"/objects/{second.object_id}/info"):
        assert_problem(await shelf.get(path), 410, "gone")
        assert (await shelf.http.head(path)).status_code == 410
    version = await shelf.get("/buckets/default/objects/a", params={"version": second.version})
    assert_problem(version, 404, "not-found")
    assert (await shelf.get(f"/objects/{first.object_id}")).content == b"1"


@pytest.mark.parametrize("name", ["a b", "a//b/", "ધ્રુવ/પત્ર.pdf", "a%2Fb?c#d", "👩‍🚀", "x" * 1024])
async def test_names_are_read_as_they_were_written(shelf: Shelf, name: str) -> None:
    await shelf.put(b"text", name=name)
    for encoded in (quote(name), quote(name, safe="")):
        answer = await shelf.get(f"/buckets/default/objects/{encoded}")
        assert (answer.status_code, answer.content) == (200, b"text")
        versions = await shelf.get(f"/buckets/default/versions/{encoded}")
        assert [one["object"]["name"] for one in versions.json()["versions"]] == [name]


async def test_the_bucket_says_how_long_a_client_may_keep_what_it_read(shelf: Shelf) -> None:
    settings = BucketSettings(name_cache_seconds=7, id_cache_seconds=0)
    await shelf.change(
        CreateBucket(request_id=shelf.house.mint.new(), bucket="rules", settings=settings)
    )
    told = {}
    for bucket in ("default", "rules"):
        stored = await shelf.put(b"a", bucket=bucket, name="a")
        path = f"/buckets/{bucket}/objects/a"
        for address in (f"/objects/{stored.object_id}", path, f"{path}?version=1"):
            answer = await shelf.get(address)
            kept = answer.headers["cache-control"]
            known = await shelf.get(address, headers={"If-None-Match": answer.headers["etag"]})
            assert (known.status_code, known.headers["cache-control"]) == (304, kept)
            told[address.replace(str(stored.object_id), bucket)] = kept
    assert told == {
        "/objects/default": "private, max-age=3600, immutable",
        "/buckets/default/objects/a": "private, no-cache",
        "/buckets/default/objects/a?version=1": "private, max-age=3600",
        "/objects/rules": "private, no-cache",
        "/buckets/rules/objects/a": "private, max-age=7",
        "/buckets/rules/objects/a?version=1": "private, no-cache",
    }


async def test_a_description_has_an_entity_tag_of_its_own(shelf: Shelf) -> None:
    stored = await shelf.put(b"plan", name="a", metadata={"room": "12"})
    path = f"/objects/{stored.object_id}/info"
    info = await shelf.get(path)
    assert info.status_code == 200
    document = info.json()
    assert document["metadata"] == {"room": "12"}
    assert document["revision"] == 1
    assert (document["object_id"], document["sha256"]) == (str(stored.object_id), stored.sha256)
    tag = info.headers["etag"]
    assert tag != stored.etag
    assert info.headers["cache-control"] == "private, no-cache"
    known = await shelf.get(path, headers={"If-None-Match": tag})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
    assert (await shelf.get(path, headers={"If-None-Match": stored.etag})).status_code == 200
    assert_problem(await shelf.get(path, headers={"If-Match": '"r9"'}), 412, "precondition-failed")
    head = await shelf.http.head(path)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)
    change = PatchInfo(
        request_id=shelf.house.mint.new(), object_id=stored.object_id, metadata={"room": "13"}
    )
    await shelf.change(change)
    changed = await shelf.get(path, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["metadata"]) == (200, {"room": "13"})
    assert changed.headers["etag"] != tag


async def test_a_bucket_that_is_deleted_is_not_there(shelf: Shelf) -> None:
    mint = shelf.house.mint
    await shelf.change(
        CreateBucket(request_id=mint.new(), bucket="brief", settings=BucketSettings())
    )
    found = await shelf.get("/buckets/brief")
    assert (found.status_code, found.json()["name"]) == (200, "brief")
    tag = found.headers["etag"]
    known = await shelf.get("/buckets/brief", headers={"If-None-Match": tag})
    assert (known.status_code, known.content) == (304, b"")
    await shelf.change(DeleteBucket(request_id=mint.new(), bucket="brief"))
    assert_problem(await shelf.get("/buckets/brief"), 404, "not-found")
    assert_problem(await shelf.get("/buckets/Brief"), 422, "invalid-name")


@pytest.mark.parametrize("settings", ["embedded"], indirect=True)
async def test_while_the_store_is_away_reads_of_bodies_say_so(shelf: Shelf) -> None:
    small, large = await shelf.put(b"a"), await shelf.put(content(300_000))
    folder = shelf.house.settings.data_dir / "store"
    folder.rename(folder.with_name("elsewhere"))
    for stored in (small, large):
        path = f"/objects/{stored.object_id}"
        answer = await shelf.get(path)
        assert_problem(answer, 503, "store-unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert (await shelf.get(f"{path}/info")).status_code == 200
    folder.with_name("elsewhere").rename(folder)
    for stored in (small, large):
        assert (await shelf.get(f"/objects/{stored.object_id}")).status_code == 200
