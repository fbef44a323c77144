"""Objects in and out over HTTP, in one process and as services on real servers."""

import asyncio
import base64
import hashlib
import re
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from tests.acceptance.client import CREATE, Client
from tests.acceptance.deployment import Deployment
from tests.samples import Sample, document, each_kind, image, mixed, pdf, svg

ASYNC = {"Prefer": "respond-async"}
MAX_BODY_BYTES = 8 * 1024 * 1024


@pytest.fixture
def client(shared_client: Client) -> Client:
    return shared_client


async def write(
    client: Client, sample: Sample, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    return await client.create(sample.type, sample.body, sample.file_name, headers)


def file_name_of(answer: httpx.Response) -> str:
    disposition = answer.headers["content-disposition"]
    if extended := re.search(r"filename\*=UTF-8''(\S+)", disposition):
        return unquote(extended[1], errors="strict")
    plain = re.search(r'filename="(.*)"', disposition)
    assert plain is not None, disposition
    return plain[1]


def assert_problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"/problems/{slug}"
    return problem


async def test_60_mixed_files_come_back_byte_for_byte(client: Client) -> None:
    samples = mixed(60)
    answers = await asyncio.gather(*(write(client, sample) for sample in samples))
    for sample, answer in zip(samples, answers, strict=True):
        assert answer.status_code == 201, answer.text
        told = answer.json()
        assert answer.headers["location"] == f"/objects/{told['object_id']}"
        read = await client.read(told["object_id"])
        assert read.status_code == 200
        assert read.content == sample.body
        assert read.headers["content-type"] == sample.content_type
        assert file_name_of(read) == sample.file_name
        digest = hashlib.sha256(sample.body)
        assert told["sha256"] == digest.hexdigest()
        assert told["size"] == len(sample.body) == int(read.headers["content-length"])
        assert read.headers["etag"] == answer.headers["etag"] == f'"{digest.hexdigest()}"'
        encoded = base64.b64encode(digest.digest()).decode()
        assert read.headers["repr-digest"] == f"sha-256=:{encoded}:"
        assert (told["type"], told["file_name"]) == (sample.type, sample.file_name)


@pytest.mark.parametrize("client_kind", ["sync", "async"])
async def test_every_kind_is_known_by_its_bytes(client: Client, client_kind: str) -> None:
    for sample in each_kind():
        if client_kind == "sync":
            told = (await write(client, sample)).json()
        else:
            answer = await write(client, sample, ASYNC)
            assert answer.status_code == 202, answer.text
            assert answer.headers["preference-applied"] == "respond-async"
            assert answer.headers["location"] == f"/requests/{answer.json()['request_id']}"
            status = await client.ended(answer.json()["request_id"])
            assert status["status"] == "done", status
            told = status["object"]
        assert (told["type"], told["content_type"]) == (sample.type, sample.content_type)


REFUSED = [
    ("pdf", image("PNG"), 415, "type-not-allowed", "PNG"),
    ("image", pdf(), 415, "type-not-allowed", "PDF"),
    ("image", document(), 415, "type-not-allowed", "JSON"),
    ("image", b"#!/bin/sh\nrm -rf /\n", 415, "type-not-allowed", "script"),
    ("image", b"<html><script>alert(1)</script></html>", 415, "type-not-allowed", "HTML"),
    ("pdf", b"hello", 415, "type-not-allowed", "text"),
    ("image", image("PNG")[:-20], 422, "damaged-content", "PNG"),
    ("image", image("JPEG")[:-20], 422, "damaged-content", "JPEG"),
    ("image", image("GIF")[:-20], 422, "damaged-content", "GIF"),
    ("image", image("WEBP")[:-20], 422, "damaged-content", "WebP"),
    ("image", image("TIFF")[:-200], 422, "damaged-content", "TIFF"),
    ("image", image("BMP")[:-20], 422, "damaged-content", "BMP"),
    ("image", image("AVIF")[:-20], 422, "damaged-content", "AVIF"),
    ("image", svg()[:-9], 422, "damaged-content", "SVG"),
    ("pdf", pdf()[:-100], 422, "damaged-content", "PDF"),
    ("pdf", b"", 422, "empty-body", "empty"),
    ("image", b"", 422, "empty-body", "empty"),
]


async def test_what_the_bytes_are_not_is_refused_with_a_reason_sync_and_async_alike(
    client: Client,
) -> None:
    before = (await client.call("list_objects")).json()["total"]
    for kind, body, status, slug, word in REFUSED:
        told = assert_problem(await client.create(kind, body, "x.png"), status, slug)
        assert word.lower() in told["detail"].lower(), told
        answer = await client.create(kind, body, "x.png", ASYNC)
        assert answer.status_code == 202
        ended = await client.ended(answer.json()["request_id"])
        assert ended["status"] == "rejected"
        problem = ended["problem"]
        assert (problem["type"], problem["status"]) == (f"/problems/{slug}", status)
        assert problem["detail"] == told["detail"]
        assert (await client.read(answer.json()["request_id"])).status_code == 404
    listed = (await client.call("list_objects")).json()
    assert listed["total"] == before


async def test_a_script_named_png_is_refused_whatever_type_it_claims(client: Client) -> None:
    files = {"file": ("holiday.png", b"#!/usr/bin/python3\nprint(1)\n", "image/png")}
    problem = assert_problem(
        await client.call("create_image", files=files), 415, "type-not-allowed"
    )
    assert problem["allowed"] == ["image"]
    assert problem["detected"].startswith("text/")


async def test_names_of_any_script_are_kept(client: Client) -> None:
    for name in (
        "ગુજરાતી ફાઇલ.pdf",
        "مستند.pdf",
        'say "hi".pdf',
        "a;b=c, d.pdf",
        "😀.pdf",
        "a'b.pdf",
    ):
        told = (await client.create("pdf", pdf(1), name)).json()
        assert told["file_name"] == name
        assert file_name_of(await client.read(told["object_id"])) == name


async def test_the_exact_bytes_of_a_json_value_are_kept(client: Client) -> None:
    for body in (b'{ "b":1,\n\t"a" : 1.50e3 }', b'"\\u00e9"', '"é"'.encode(), b"null", b"[]"):
        told = (await client.create("json", body)).json()
        assert (await client.read(told["object_id"])).content == body


async def test_a_known_digest_is_answered_304_and_head_has_no_body(client: Client) -> None:
    sample = each_kind()[0]
    told = (await write(client, sample)).json()
    etag = f'"{told["sha256"]}"'
    for tag in (etag, f'"other", W/{etag}', "*"):
        answer = await client.read(told["object_id"], {"If-None-Match": tag})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
        assert "content-type" not in answer.headers
    assert (await client.read(told["object_id"], {"If-None-Match": '"x"'})).status_code == 200
    head = await client.call("head_object", path=told["object_id"])
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(sample.body)
    assert head.headers["etag"] == etag


async def test_lists_have_pages_newest_first_and_types(deployment: Deployment) -> None:
    async with deployment.running() as client:
        samples = mixed(10)
        ids = [(await write(client, sample)).json()["object_id"] for sample in samples]
        page = (await client.call("list_objects", params={"page_size": 4, "page": 3})).json()
        assert [one["object_id"] for one in page["objects"]] == [ids[1], ids[0]]
        numbers = [page[key] for key in ("total", "total_pages", "current_page", "page_size")]
        assert numbers == [10, 3, 3, 4]
        for kind in CREATE:
            listed = (await client.call("list_objects", params={"type": kind})).json()
            expected = [
                one for one, sample in zip(ids, samples, strict=True) if sample.type == kind
            ]
            assert [one["object_id"] for one in listed["objects"]] == expected[::-1]
        assert (await client.call("list_objects", params={"page": 9})).json()["objects"] == []
        for bad in ({"page": 0}, {"page_size": 101}, {"page_size": 0}, {"type": "video"}):
            assert_problem(await client.call("list_objects", params=bad), 422, "invalid-parameter")


async def test_what_was_never_written_is_not_found(client: Client) -> None:
    invented = uuid.uuid4()
    assert_problem(await client.read(str(invented)), 404, "not-found")
    assert_problem(await client.call("get_request", path=invented), 404, "not-found")
    assert_problem(await client.read("not-an-id"), 422, "invalid-parameter")
    assert (await client.call("head_object", path=invented)).status_code == 404


@pytest.mark.parametrize(
    "deployment_settings", [{"SANGRAHA_MAX_BODY_BYTES": str(MAX_BODY_BYTES)}], ids=["8 MiB"]
)
async def test_a_body_of_just_the_limit_is_kept_and_one_byte_more_is_413(
    deployment: Deployment,
) -> None:
    async with deployment.running() as client:
        body = b'"' + b"x" * (MAX_BODY_BYTES - 2) + b'"'
        told = await client.create("json", body)
        assert told.status_code == 201, told.text
        assert (await client.read(told.json()["object_id"])).content == body
        assert_problem(await client.create("json", body[:-1] + b'x"'), 413, "body-too-large")
        big = image("BMP", 1700, 1700)
        assert len(big) > MAX_BODY_BYTES
        assert_problem(await client.create("image", big), 413, "body-too-large")

        async def endless() -> Any:
            for _ in range(20):
                yield b"x" * 1024 * 1024

        answer = await client.call("create_json", content=endless())
        assert_problem(answer, 413, "body-too-large")
        assert answer.headers["connection"] == "close"


async def test_what_cannot_be_understood_is_400(client: Client) -> None:
    for content in (b"", b"{}", b'{"data": }', b"[1]", b'{"data": 1, "extra": 2}'):
        assert_problem(await client.call("create_json", content=content), 400, "malformed-request")
    assert_problem(await client.call("create_pdf", content=b"%PDF-"), 400, "malformed-request")
    files = {"document": ("a.pdf", pdf(1))}
    assert_problem(await client.call("create_pdf", files=files), 400, "malformed-request")


async def test_wait_0_is_answered_202_and_the_status_can_be_waited_for(client: Client) -> None:
    answer = await client.create("json", b"1", headers={"Prefer": "wait=0"})
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=0"
    status = await client.status(answer.json()["request_id"], {"Prefer": "wait=30"})
    assert status["status"] == "done"
    assert status["object"]["object_id"] == answer.json()["request_id"]


async def test_metadata_comes_back_with_the_object(client: Client) -> None:
    headers = {"Sangraha-Meta-Place": "%E0%AA%B8%E0%AB%81%E0%AA%B0%E0%AA%A4"}
    told = (await client.create("json", b"1", headers=headers)).json()
    assert told["metadata"] == {"place": "સુરત"}
    form = {"files": {"file": ("a.pdf", pdf(1))}, "data": {"river": "તાપી"}}
    told = (await client.call("create_pdf", headers=headers, **form)).json()
    assert told["metadata"] == {"place": "સુરત", "river": "તાપી"}


async def test_a_browser_never_runs_what_was_uploaded(client: Client) -> None:
    told = (await client.create("image", svg(), "drawing.svg")).json()
    answer = await client.read(told["object_id"])
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
