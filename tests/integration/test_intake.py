"""Objects taken in over HTTP: what is published for them, and how they are answered."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sangraha.errors import TypeNotAllowed
from sangraha.messages import (
    Claimed,
    DeleteName,
    Done,
    Inline,
    Precondition,
    Rejected,
    WriteOutcome,
    WriteRequest,
)
from sangraha.store.keys import object_key
from tests.integration.intake import Intake, open_intake, raw_request, stored

LIMIT = 1000
NAME = "/buckets/default/objects/reports/july%20%F0%9F%98%80.pdf"


@pytest.fixture
async def intake(tmp_path: Path) -> AsyncIterator[Intake]:
    async with open_intake(tmp_path) as intake:
        yield intake


async def chunks_of(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 300):
        yield body[start : start + 300]


@pytest.mark.parametrize("size", [0, LIMIT])
@pytest.mark.parametrize("chunked", [True, False])
async def test_a_small_body_is_put_inside_the_message(
    intake: Intake, size: int, chunked: bool
) -> None:
    body = bytes(size)
    answer = await intake.http.put(NAME, content=chunks_of(body) if chunked else body)
    assert answer.status_code == 201
    create = await intake.create()
    assert create.content == Inline(body)
    assert (create.bucket, create.name) == ("default", "reports/july 😀.pdf")
    assert create.file_name == "july 😀.pdf"
    assert create.allowed == []
    assert create.precondition is None
    assert answer.headers["location"] == NAME
    assert answer.json()["object_id"] == str(create.request_id)
    assert answer.headers["etag"] == f'"{hashlib.sha256(body).hexdigest()}"'
    assert await intake.kept() == []


@pytest.mark.parametrize("size", [LIMIT + 1, 100_000])
@pytest.mark.parametrize("chunked", [True, False])
async def test_a_larger_body_is_put_into_the_store(
    intake: Intake, size: int, chunked: bool
) -> None:
    body = b"7" * size
    answer = await intake.http.put(NAME, content=chunks_of(body) if chunked else body)
    assert answer.status_code == 201
    create = await intake.create()
    assert isinstance(create.content, Claimed)
    assert create.content.key == object_key("default", create.request_id, create.file_name)
    assert create.content.sha256 == hashlib.sha256(body).hexdigest()
    assert create.content.seen.is_json
    assert await intake.store.get(create.content.key) == body


async def test_what_the_headers_say_travels_along(intake: Intake) -> None:
    tag = "a" * 64
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Encoding": "identity, GZIP",
        "Content-Disposition": "attachment; filename*=UTF-8''%E0%AA%AA.txt",
        "Sangraha-Meta-Project": "%E0%AA%AA",
        "If-Match": f'"{tag}"',
        "X-Correlation-ID": "order-7",
    }
    await intake.http.put("/buckets/some-bucket/objects/a/b", content=b"x", headers=headers)
    create = await intake.create()
    assert create.declared_content_type == "text/plain; charset=utf-8"
    assert create.content_encoding == "gzip"
    assert create.file_name == "પ.txt"
    assert create.metadata == {"project": "પ"}
    assert create.precondition == Precondition(if_match=[tag])
    assert create.correlation_id == "order-7"


async def test_a_name_that_ends_in_a_slash_gives_no_file_name(intake: Intake) -> None:
    answer = await intake.http.put("/buckets/default/objects/folder/", content=b"")
    assert answer.headers["location"] == "/buckets/default/objects/folder/"
    assert (await intake.create()).file_name is None


async def test_a_new_version_is_answered_with_the_address_of_its_description(
    intake: Intake,
) -> None:
    intake.answer = lambda one: Done(request_id=one.request_id, object=stored(one), replaced=True)
    answer = await intake.http.put(NAME, content=b"x")
    assert answer.status_code == 200
    assert answer.headers["content-location"] == f"/objects/{answer.json()['object_id']}/info"
    assert answer.headers["etag"].startswith('"')
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status", "slug"),
    [
        ({"Content-Range": "bytes 0-9/100"}, 400, "malformed-request"),
        ({"If-Match": "nonsense"}, 400, "malformed-request"),
        ({"Repr-Digest": "sha-256=:AAAA:"}, 400, "malformed-request"),
        ({"Sangraha-Meta-A": "x" * 9000}, 422, "invalid-parameter"),
        ({"Content-Disposition": "attachment; filename*=UTF-8''%0A"}, 422, "invalid-parameter"),
        ({"Content-Length": str(2**50)}, 413, "body-too-large"),
    ],
)
async def test_what_the_headers_already_refuse_is_not_read(
    intake: Intake, headers: dict[str, str], status: int, slug: str
) -> None:
    announced = {"Content-Length": "1", **headers}
    answer = await raw_request(intake.app, "PUT", NAME, announced, [b"x"])
    assert answer.status == status
    assert json.loads(answer.body)["type"] == f"/problems/{slug}"
    assert answer.chunks_read_before_it == 0
    assert intake.requests == []


@pytest.mark.parametrize(
    "path",
    [
        "/buckets/default/objects/a%0Ab",
        "/buckets/default/objects/%FF",
        "/buckets/default/objects/a/%2E%2E/b",
        "/buckets/default/objects/" + "n" * 1025,
        "/buckets/UPPER/objects/a",
        "/buckets/sangraha/objects/a",
    ],
)
async def test_a_name_nobody_may_use_is_refused_before_the_body_is_read(
    intake: Intake, path: str
) -> None:
    answer = await raw_request(intake.app, "PUT", path, {"Content-Length": "1"}, [b"x"])
    assert answer.status == 422
    assert json.loads(answer.body)["type"] == "/problems/invalid-name"
    assert answer.chunks_read_before_it == 0


async def test_an_encoded_slash_is_a_slash(intake: Intake) -> None:
    await raw_request(intake.app, "PUT", "/buckets/default/objects/a%2Fb", {}, [b"x"])
    assert (await intake.create()).name == "a/b"


@pytest.mark.parametrize("size", [LIMIT, 30_000])
@pytest.mark.parametrize(
    "digest",
    [
        {"Repr-Digest": f"sha-256=:{base64.b64encode(bytes(32)).decode()}:"},
        {"Content-MD5": base64.b64encode(bytes(16)).decode()},
    ],
)
async def test_a_body_with_another_digest_is_refused_and_not_kept(
    intake: Intake, size: int, digest: dict[str, str]
) -> None:
    answer = await intake.http.put(NAME, content=bytes(size), headers=digest)
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/digest-mismatch"
    assert intake.requests == []
    assert await intake.kept() == []


async def test_a_body_with_the_digests_it_was_sent_with_is_kept(intake: Intake) -> None:
    body = bytes(30_000)
    sha512 = base64.b64encode(hashlib.sha512(body).digest()).decode()
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    headers = {"Content-Digest": f"sha-512=:{sha512}:, unixsum=:AA==:", "Content-MD5": md5}
    assert (await intake.http.put(NAME, content=body, headers=headers)).status_code == 201


@pytest.mark.parametrize("chunks", [[], [b"x" * 500], [b"x" * 900] * 30])
async def test_of_a_client_that_goes_away_halfway_nothing_is_kept(
    intake: Intake, chunks: list[bytes]
) -> None:
    headers = {"Content-Length": "100000"}
    answer = await raw_request(intake.app, "PUT", NAME, headers, chunks, is_cut=True)
    assert answer.status == 0
    assert intake.requests == []
    assert await intake.kept() == []


async def test_while_the_store_is_away_a_large_body_is_not_read(tmp_path: Path) -> None:
    async with open_intake(tmp_path) as intake:
        assert (await intake.http.put(NAME, content=bytes(LIMIT))).status_code == 201
        unfinished = tmp_path / "store" / ".unfinished"
        unfinished.rename(tmp_path / "elsewhere")
        headers = {"Content-Length": str(LIMIT + 1)}
        answer = await raw_request(intake.app, "PUT", NAME, headers, [bytes(LIMIT + 1)])
        assert answer.status == 503
        assert json.loads(answer.body)["type"] == "/problems/store-unavailable"
        assert answer.chunks_read_before_it == 0
        assert (await intake.http.put(NAME, content=bytes(LIMIT))).status_code == 201


async def test_what_the_queue_refuses_leaves_nothing_in_the_store(tmp_path: Path) -> None:
    async with open_intake(tmp_path, longest_queue=1) as intake:
        headers = {"Prefer": "respond-async"}
        accepted = await intake.http.put(NAME, content=bytes(LIMIT + 1), headers=headers)
        assert accepted.status_code == 202
        (kept,) = await intake.kept()
        refused = await intake.http.put(NAME, content=bytes(LIMIT + 1), headers=headers)
        assert refused.status_code == 503
        assert refused.json()["type"] == "/problems/queue-full"
        assert await intake.kept() == [kept]


async def test_a_refusal_tells_the_request(intake: Intake) -> None:
    def refuse(request: WriteRequest) -> WriteOutcome:
        problem = TypeNotAllowed("a PNG", detected="image/png", allowed=["pdf"]).problem()
        return Rejected(request_id=request.request_id, problem=problem)

    intake.answer = refuse
    answer = await intake.http.put(NAME, content=b"x")
    assert answer.status_code == 415
    document = answer.json()
    assert document["detected"] == "image/png"
    request_id = str((await intake.create()).request_id)
    assert document["request_id"] == request_id
    assert document["status_url"] == f"/requests/{request_id}"


@pytest.mark.parametrize("prefer", ["respond-async", "wait=0"])
async def test_one_who_does_not_wait_is_told_where_to_look(intake: Intake, prefer: str) -> None:
    answer = await intake.http.put(NAME, content=b"x", headers={"Prefer": prefer})
    assert answer.status_code == 202
    request_id = str((await intake.create()).request_id)
    assert answer.headers["location"] == f"/requests/{request_id}"
    assert answer.headers["preference-applied"] == prefer
    assert answer.json() == {
        "request_id": request_id,
        "status": "accepted",
        "status_url": f"/requests/{request_id}",
    }
    assert (await intake.http.get(answer.headers["location"])).json()["status"] == "accepted"


async def test_deleting_a_name_takes_no_version(intake: Intake) -> None:
    refused = await intake.http.delete(NAME, params={"version": "1"})
    assert refused.status_code == 422
    answer = await intake.http.delete(NAME, headers={"If-Match": "*"})
    assert answer.status_code == 204
    assert answer.content == b""
    (request,) = intake.requests
    assert request == DeleteName(
        request_id=request.request_id,
        bucket="default",
        name="reports/july 😀.pdf",
        precondition=Precondition(if_match=["*"]),
    )
