"""Lists read through the queue, and what their parameters may be."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sangraha.buckets import BucketSettings
from sangraha.messages import CreateBucket, DeleteName
from tests.integration.conftest import House
from tests.integration.shelf import Shelf, assert_problem

NAMES = "/buckets/default/objects"
BAD_QUERIES: list[tuple[str, Any]] = [
    (NAMES, {"limit": 0}),
    (NAMES, {"limit": 1001}),
    (NAMES, {"limit": "many"}),
    (NAMES, {"type": "video"}),
    (NAMES, {"cursor": "none"}),
    (NAMES, {"cursor": "\0"}),
    (NAMES, {"cursor": "x" * 9000}),
    (NAMES, {"created_after": "yesterday"}),
    (NAMES, {"created_after": "2001-01-01"}),
    (NAMES, {"created_after": "2001-01-01T00:00:00"}),
    (NAMES, {"created_after": "1700000000"}),
    (NAMES, {"created_after": "0001-01-01T00:00:00+10:00"}),
    (NAMES, {"metadata.": "a"}),
    (NAMES, [("metadata.a", "1"), ("metadata.a", "2")]),
    (NAMES, {f"metadata.{number}": "a" for number in range(11)}),
    (NAMES, {"prefix": "x" * 1025}),
    ("/buckets/default/versions/a", {"limit": 0}),
    ("/buckets/default/versions/a", {"cursor": "none"}),
    ("/buckets", {"limit": 1001}),
    ("/buckets", {"cursor": "none"}),
    ("/objects", {"page": 0}),
    ("/objects", {"page_size": 101}),
    ("/buckets/default/objects/a", {"version": 0}),
    ("/buckets/default/objects/a", {"version": 2**31}),
    ("/buckets/default/objects/a", {"version": "current"}),
]


@pytest.fixture
async def shelf(house: House) -> AsyncIterator[Shelf]:
    async with Shelf.of(house) as shelf:
        yield shelf


async def names(shelf: Shelf, **query: Any) -> tuple[list[str], list[str], str | None]:
    answer = await shelf.get(NAMES, params=query)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    return [one["name"] for one in page["objects"]], page["prefixes"], page["next_cursor"]


async def test_a_bucket_is_listed_like_folders_and_by_what_is_known_of_its_objects(
    shelf: Shelf,
) -> None:
    for name in ("a/1", "a/2", "b", "c/d/e"):
        metadata = {"first": name[0], "key with.dot": "a&b"}
        await shelf.put(name.encode(), name=name, metadata=metadata, type="pdf")
    assert await names(shelf) == (["a/1", "a/2", "b", "c/d/e"], [], None)
    assert await names(shelf, delimiter="/") == (["b"], ["a/", "c/"], None)
    assert await names(shelf, delimiter="", prefix="") == await names(shelf)
    assert await names(shelf, prefix="c/", delimiter="/") == ([], ["c/d/"], None)
    assert (await names(shelf, **{"metadata.first": "a"}))[0] == ["a/1", "a/2"]
    both = {"metadata.first": "b", "metadata.key with.dot": "a&b"}
    assert (await names(shelf, **both))[0] == ["b"]
    assert (await names(shelf, **{"metadata.first": "z"}))[0] == []
    assert (await names(shelf, type="pdf"))[0] == ["a/1", "a/2", "b", "c/d/e"]
    assert (await names(shelf, type="image"))[0] == []
    for moment, count in (
        ("2001-01-01T00:00:00Z", 4),
        ("2001-01-01t00:00:00.5+23:59", 4),
        ("2999-01-01T00:00:00+02:00", 0),
    ):
        assert len((await names(shelf, created_after=moment))[0]) == count


async def test_pages_go_on_where_the_one_before_ended(shelf: Shelf) -> None:
    for number in range(5):
        await shelf.put(b"%d" % number, name=f"n{number}")
        await shelf.put(b"%d" % number, name="same")
        request_id = shelf.house.mint.new()
        settings = BucketSettings()
        await shelf.change(
            CreateBucket(request_id=request_id, bucket=f"bucket{number}", settings=settings)
        )

    async def walked(path: str, kind: str) -> list[Any]:
        seen: list[Any] = []
        cursor = ""
        while cursor is not None:
            answer = await shelf.get(path, params={"limit": 2, "cursor": cursor})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            assert 0 < len(page[kind]) <= 2
            seen += page[kind]
            cursor = page["next_cursor"]
        return seen

    found = [one["name"] for one in await walked(NAMES, "objects")]
    assert found == [*(f"n{number}" for number in range(5)), "same"]
    versions = await walked("/buckets/default/versions/same", "versions")
    assert [one["version"] for one in versions] == [5, 4, 3, 2, 1]
    assert [one["current"] for one in versions] == [True] + [False] * 4
    buckets = [one["name"] for one in await walked("/buckets", "buckets")]
    assert buckets == [*(f"bucket{number}" for number in range(5)), "default"]


async def test_versions_tell_where_a_name_was_deleted(shelf: Shelf) -> None:
    kept = await shelf.put(b"kept", name="note")
    marker = shelf.house.mint.new()
    await shelf.change(DeleteName(request_id=marker, bucket="default", name="note"))
    (top, below) = (await shelf.get("/buckets/default/versions/note")).json()["versions"]
    assert (top["object_id"], top["deleted"], top["current"]) == (str(marker), True, True)
    assert top["object"] is None
    assert (below["object_id"], below["deleted"]) == (str(kept.object_id), False)
    assert below["object"]["sha256"] == kept.sha256


async def test_a_parameter_that_cannot_be_is_a_problem(shelf: Shelf) -> None:
    await shelf.put(b"a", name="a")
    for path, query in BAD_QUERIES:
        assert_problem(await shelf.get(path, params=query), 422, "invalid-parameter")
        assert (await shelf.http.head(path, params=query)).status_code == 422


async def test_no_text_is_too_strange_to_be_asked_for(shelf: Shelf) -> None:
    await shelf.put(b"a", name="a")
    for parameter in ("prefix", "delimiter", "metadata.a", "metadata.\0", "other"):
        for value in ("\0", "a\n", "\U0010ffff", "%"):
            answer = await shelf.get(NAMES, params={parameter: value})
            assert answer.status_code in (200, 422), answer.text


async def test_head_tells_what_get_would(shelf: Shelf) -> None:
    await shelf.put(b"a", name="a")
    for path in ("/objects", "/buckets", NAMES, "/buckets/default/versions/a", "/buckets/default"):
        whole, head = await shelf.get(path), await shelf.http.head(path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-type", "content-length"):
            assert head.headers[name] == whole.headers[name]
