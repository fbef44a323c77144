"""Writes without a body of their own: what is published for them, and how they are answered."""

import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sangraha.broker.topology import WRITE_QUEUE
from sangraha.buckets import Bucket, BucketSettings
from sangraha.errors import Gone, NotFound
from sangraha.messages import (
    CopyObject,
    CreateBucket,
    DeleteBucket,
    DeleteName,
    DeleteObject,
    Done,
    MoveObject,
    PatchBucket,
    PatchInfo,
    Precondition,
    Rejected,
    Underway,
    WriteOutcome,
    WriteRequest,
)
from tests.integration.intake import Intake, open_intake, stored

ID = UUID("01968a3c-6d2f-7c41-9d5e-3a1b2c4d5e6f")
OBJECT = f"/objects/{ID}"
BUCKET = Bucket(
    name="scans", created_at=datetime(2031, 1, 1, tzinfo=UTC), revision=3, allowed_types=["pdf"]
)
PATCH = {"Content-Type": "application/merge-patch+json", "If-Match": '"r3"'}


@pytest.fixture
async def intake(tmp_path: Path) -> AsyncIterator[Intake]:
    async with open_intake(tmp_path) as intake:
        yield intake


def the_only(intake: Intake) -> Any:
    (request,) = intake.requests
    return request


async def test_metadata_is_changed_by_a_merge_patch(intake: Intake) -> None:
    def patched(request: WriteRequest) -> WriteOutcome:
        changed = stored(request, object_id=ID, metadata={"a": "1"})
        return Done(request_id=request.request_id, object=changed, revision=4)

    intake.answer = patched
    document = {"metadata": {"a": "1", "b": None}}
    headers = {**PATCH, "If-Match": '"r3", "r2"'}
    answer = await intake.http.patch(f"{OBJECT}/info", json=document, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"r4"'
    assert answer.json()["object_id"] == str(ID)
    assert answer.json()["revision"] == 4
    request = the_only(intake)
    assert request == PatchInfo(
        request_id=request.request_id,
        object_id=ID,
        metadata={"a": "1", "b": None},
        revisions=[3, 2],
    )


async def test_a_patch_of_any_revision_says_so(intake: Intake) -> None:
    for headers in ({"Content-Type": "application/json"}, {}):
        answer = await intake.http.patch(
            f"{OBJECT}/info", content=b'{"metadata": {}}', headers=headers
        )
        assert answer.status_code == 428
        assert answer.json()["type"] == "/problems/precondition-required"
    await intake.http.patch(f"{OBJECT}/info", json={}, headers={"If-Match": "*"})
    assert the_only(intake).revisions is None


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"metadata": {"a": 1}}, 422),
        ({"metadata": None}, 422),
        ({"metadata": {"": "empty"}}, 422),
        ({"metadata": {"a": "x" * 9000}}, 422),
        ({"file_name": "other"}, 422),
        ([], 422),
        ("{", 400),
    ],
)
async def test_a_patch_of_anything_else_is_refused(
    intake: Intake, document: Any, status: int
) -> None:
    content = document if isinstance(document, str) else json.dumps(document)
    answer = await intake.http.patch(f"{OBJECT}/info", content=content, headers=PATCH)
    assert answer.status_code == status
    assert intake.requests == []


async def test_an_object_is_copied_to_a_name_or_to_none(intake: Intake) -> None:
    intake.answer = lambda one: Done(request_id=one.request_id, object=stored(one))
    answer = await intake.http.post(f"{OBJECT}/copy", json={})
    assert answer.status_code == 201
    first = the_only(intake)
    assert first == CopyObject(request_id=first.request_id, object_id=ID, bucket="default")
    assert answer.headers["location"] == f"/objects/{first.request_id}"
    document = {"bucket": "scans", "name": "a/b", "overwrite": True, "metadata": {"a": "1"}}
    answer = await intake.http.post(f"{OBJECT}/copy", json=document)
    assert answer.status_code == 201
    second = intake.requests[1]
    assert second == CopyObject(
        request_id=second.request_id,
        object_id=ID,
        bucket="scans",
        name="a/b",
        overwrite=True,
        metadata={"a": "1"},
    )


async def test_an_object_is_moved_and_keeps_its_id(intake: Intake) -> None:
    intake.answer = lambda one: Done(request_id=one.request_id, object=stored(one, object_id=ID))
    answer = await intake.http.post(f"{OBJECT}/move", json={"name": "a", "bucket": "scans"})
    assert answer.status_code == 200
    assert answer.headers["content-location"] == f"{OBJECT}/info"
    request = the_only(intake)
    assert request == MoveObject(
        request_id=request.request_id, object_id=ID, bucket="scans", name="a"
    )


@pytest.mark.parametrize("what", ["copy", "move"])
@pytest.mark.parametrize(
    ("document", "slug"),
    [
        ({"name": ""}, "invalid-name"),
        ({"name": "a/../b"}, "invalid-name"),
        ({"name": "a\nb"}, "invalid-name"),
        ({"name": "a", "bucket": "No"}, "invalid-name"),
        ({"name": "a", "to": "b"}, "invalid-parameter"),
        ({"name": "a", "overwrite": 1}, "invalid-parameter"),
    ],
)
async def test_where_nothing_can_go_nothing_is_sent(
    intake: Intake, what: str, document: dict[str, Any], slug: str
) -> None:
    answer = await intake.http.post(f"{OBJECT}/{what}", json=document)
    assert answer.status_code == 422
    assert answer.json()["type"] == f"/problems/{slug}"
    assert intake.requests == []


async def test_a_move_needs_a_name(intake: Intake) -> None:
    assert (await intake.http.post(f"{OBJECT}/move", json={})).status_code == 422


async def test_one_version_is_deleted_for_good(intake: Intake) -> None:
    digest = "b" * 64
    answer = await intake.http.delete(OBJECT, headers={"If-Match": f'"{digest}"'})
    assert (answer.status_code, answer.content) == (204, b"")
    request = the_only(intake)
    assert request == DeleteObject(
        request_id=request.request_id,
        object_id=ID,
        precondition=Precondition(if_match=[digest]),
    )
    assert (await intake.http.delete("/objects/no-id")).status_code == 422


async def test_a_bucket_is_made(intake: Intake) -> None:
    intake.answer = lambda one: Done(request_id=one.request_id, bucket=BUCKET)
    document = {"name": "scans", "allowed_types": ["pdf", "text/*"], "versions_to_keep": 3}
    answer = await intake.http.post("/buckets", json=document)
    assert answer.status_code == 201
    assert answer.headers["location"] == "/buckets/scans"
    assert answer.headers["etag"] == '"r3"'
    assert answer.json()["allowed_types"] == ["pdf"]
    request = the_only(intake)
    assert request == CreateBucket(
        request_id=request.request_id,
        bucket="scans",
        settings=BucketSettings(allowed_types=["pdf", "text/*"], versions_to_keep=3),
    )


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"name": "sangraha"},
        {"name": "UPPER"},
        {"name": "a..b"},
        {"name": "scans", "other": 1},
        {"name": "scans", "allowed_types": ["nonsense"]},
        {"name": "scans", "allowed_types": None},
        {"name": "scans", "max_object_bytes": 0},
        {"name": "scans", "max_object_bytes": 2**70},
        {"name": "scans", "versions_to_keep": 0},
        {"name": "scans", "default_metadata": {"a": "x" * 9000}},
        {"name": "scans", "default_metadata": {"a": None}},
        {"name": "scans", "id_cache_seconds": -1},
        {"name": "scans", "name_cache_seconds": 1.5},
    ],
)
async def test_a_bucket_that_cannot_be_is_not_made(
    intake: Intake, document: dict[str, Any]
) -> None:
    answer = await intake.http.post("/buckets", json=document)
    assert answer.status_code == 422
    assert intake.requests == []


async def test_a_bucket_is_changed_by_a_merge_patch(intake: Intake) -> None:
    intake.answer = lambda one: Done(request_id=one.request_id, bucket=BUCKET)
    document = {
        "allowed_types": None,
        "max_object_bytes": 10,
        "versions_to_keep": None,
        "default_metadata": {"a": "1", "b": None},
    }
    answer = await intake.http.patch("/buckets/scans", json=document, headers=PATCH)
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"r3"'
    request = the_only(intake)
    assert request == PatchBucket(
        request_id=request.request_id, bucket="scans", changes=document, revisions=[3]
    )
    await intake.http.patch("/buckets/scans", json={"default_metadata": None})
    assert intake.requests[1] == PatchBucket(
        request_id=intake.requests[1].request_id,
        bucket="scans",
        changes={"default_metadata": None},
    )


@pytest.mark.parametrize(
    "document",
    [
        {"name": "other"},
        {"allowed_types": ["nonsense"]},
        {"versions_to_keep": 0},
        {"default_metadata": {"": "1"}},
        {"id_cache_seconds": "1"},
    ],
)
async def test_a_patch_that_no_bucket_can_have_is_refused(
    intake: Intake, document: dict[str, Any]
) -> None:
    answer = await intake.http.patch("/buckets/scans", json=document)
    assert answer.status_code == 422
    assert intake.requests == []


async def test_a_bucket_is_deleted_and_a_purge_tells_its_progress(intake: Intake) -> None:
    assert (await intake.http.delete("/buckets/scans")).status_code == 204
    intake.answer = lambda one: Underway(request_id=one.request_id, done=2, total=7)
    answer = await intake.http.delete("/buckets/scans?purge=true")
    assert answer.status_code == 202
    plain, purge = intake.requests
    assert plain == DeleteBucket(request_id=plain.request_id, bucket="scans")
    assert purge == DeleteBucket(request_id=purge.request_id, bucket="scans", purge=True)
    assert answer.headers["location"] == f"/requests/{purge.request_id}"
    assert answer.json() == {
        "request_id": str(purge.request_id),
        "status": "accepted",
        "status_url": f"/requests/{purge.request_id}",
        "progress": {"done": 2, "total": 7},
    }


async def test_many_are_deleted_in_one_group_and_answered_each(intake: Intake) -> None:
    gone, unknown = uuid.uuid4(), uuid.uuid4()

    def ends(request: WriteRequest) -> WriteOutcome:
        error = {gone: Gone(), unknown: NotFound()}.get(getattr(request, "object_id", ID))
        if error is not None:
            return Rejected(request_id=request.request_id, problem=error.problem())
        return Done(request_id=request.request_id)

    intake.answer = ends
    ids = [str(ID), str(gone), str(unknown)]
    document = {"object_ids": ids, "bucket": "scans", "names": ["a", "../b", "c"]}
    answer = await intake.http.post("/objects/delete", json=document)
    assert answer.status_code == 207
    result = answer.json()
    assert [one["status"] for one in result["results"]] == [204, 410, 404, 204, 422, 204]
    assert [one["object_id"] for one in result["results"][:3]] == ids
    assert [one["name"] for one in result["results"][3:]] == ["a", "../b", "c"]
    assert (result["succeeded"], result["accepted"], result["failed"]) == (3, 0, 3)
    assert len(intake.groups) == 1
    first, *_, last = intake.requests
    assert first == DeleteObject(request_id=first.request_id, object_id=ID)
    assert last == DeleteName(request_id=last.request_id, bucket="scans", name="c")


@pytest.mark.parametrize("name", ["n" * 1024, "ન" * 341])
async def test_a_thousand_of_the_longest_names_are_one_group(intake: Intake, name: str) -> None:
    document = {"names": [name] * 1000}
    headers = {"X-Correlation-ID": "c" * 128}
    answer = await intake.http.post("/objects/delete", json=document, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["succeeded"] == 1000
    assert [len(group.requests) for group in intake.groups] == [1000]
    assert await intake.broker.depth(WRITE_QUEUE.name) == 0


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"names": []},
        {"names": ["a"] * 1001},
        {"names": ["a"] * 600, "object_ids": [str(ID)] * 401},
        {"object_ids": ["no id"]},
        {"names": ["a"], "bucket": "No"},
    ],
)
async def test_a_list_of_nothing_or_of_too_much_is_refused(
    intake: Intake, document: dict[str, Any]
) -> None:
    answer = await intake.http.post("/objects/delete", json=document)
    assert answer.status_code == 422
    assert intake.requests == []


async def test_deletions_that_nobody_waits_for_are_all_accepted(intake: Intake) -> None:
    headers = {"Prefer": "respond-async"}
    answer = await intake.http.post("/objects/delete", json={"names": ["a"]}, headers=headers)
    assert answer.status_code == 202
    assert answer.json()["results"][0]["status"] == 202


async def test_every_route_of_the_receiver_says_what_it_may_answer(intake: Intake) -> None:
    document = (await intake.http.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if "receiver" in operation.get("tags", ()) and path != "/requests/{request_id}":
                assert {"202", "400", "422", "500", "503"} <= operation["responses"].keys()
    for model in ("Envelope", "InfoPatch", "CopyTo", "MoveTo", "NewBucket", "ManyToDelete"):
        assert model in document["components"]["schemas"]
