"""What bodies are said to be, and JSON bodies as models."""

from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.responses import Response

from sangraha.errors import InvalidParameter, MalformedRequest
from sangraha.http.content_encoding import content_encoding
from sangraha.http.json import MERGE_PATCH, json_body, json_response, parse_json
from sangraha.http.problems import install_problems

MAX_BYTES = 60


class Patch(msgspec.Struct, forbid_unknown_fields=True):
    metadata: dict[str, str | None]


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()

    @app.post("/json")
    async def plain(request: Request) -> Response:
        return json_response(await json_body(request, Patch, MAX_BYTES))

    @app.patch("/patch")
    async def patch(request: Request) -> Response:
        return json_response(await json_body(request, Patch, MAX_BYTES, MERGE_PATCH))

    install_problems(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


DOCUMENT = b'{"metadata": {"room": "\xe0\xaa\xaa", "gone": null}}'


@pytest.mark.parametrize(
    ("method", "path", "content_type"),
    [
        ("POST", "/json", "application/json"),
        ("POST", "/json", "Application/JSON ; charset=utf-8"),
        ("POST", "/json", None),
        ("PATCH", "/patch", "application/merge-patch+json"),
        ("PATCH", "/patch", "application/json"),
    ],
)
async def test_a_json_body_is_a_model(
    http: httpx.AsyncClient, method: str, path: str, content_type: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await http.request(method, path, content=DOCUMENT, headers=headers)
    assert answer.json() == {"metadata": {"room": "પ", "gone": None}}


@pytest.mark.parametrize(
    ("content", "status", "slug"),
    [
        (b"", 400, "malformed-request"),
        (b'{"metadata": {}', 400, "malformed-request"),
        (b"{'metadata': {}}", 400, "malformed-request"),
        (b'{"metadata": {}} {}', 400, "malformed-request"),
        (b'{"metadata": {"a": "\xff"}}', 400, "malformed-request"),
        (b'{"metadata": {"a": "\\ud800"}}', 400, "malformed-request"),
        (b"{}", 422, "invalid-parameter"),
        (b"[]", 422, "invalid-parameter"),
        (b'{"metadata": {"a": 1}}', 422, "invalid-parameter"),
        (b'{"metadata": {}, "size": 1}', 422, "invalid-parameter"),
        (b" " * (MAX_BYTES + 1), 413, "body-too-large"),
    ],
)
async def test_a_body_that_is_no_such_json_is_refused(
    http: httpx.AsyncClient, content: bytes, status: int, slug: str
) -> None:
    async def chunked() -> AsyncIterator[bytes]:
        yield content

    for body in (content, chunked()):
        answer = await http.post("/json", content=body)
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}")


async def test_a_refusal_says_where_the_json_does_not_fit(http: httpx.AsyncClient) -> None:
    answer = await http.post("/json", content=b'{"metadata": {"a": 1}}')
    assert "$.metadata" in answer.json()["detail"]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"]
)
async def test_a_body_of_another_type_is_refused_and_the_right_one_named(
    http: httpx.AsyncClient, content_type: str
) -> None:
    answer = await http.post("/json", content=DOCUMENT, headers={"Content-Type": content_type})
    assert answer.status_code == 415
    problem = answer.json()
    assert problem["type"] == "/problems/type-not-allowed"
    assert (problem["detected"], problem["allowed"]) == (content_type, ["application/json"])


@given(st.binary() | st.text('[]{}":,1ntfu \\ed8').map(str.encode))
def test_any_document_is_read_or_refused(document: bytes) -> None:
    try:
        parse_json(document, Patch)
    except (MalformedRequest, InvalidParameter):
        return


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(MalformedRequest):
        parse_json(b"[" * 1_000_000, list)


def encoding(*values: str) -> str | None:
    return content_encoding(
        Headers(raw=[(b"content-encoding", value.encode("latin-1")) for value in values])
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        ([""], None),
        (["identity"], None),
        (["gzip"], "gzip"),
        (["GZip"], "gzip"),
        (["gzip, identity ,br"], "gzip, br"),
        (["gzip", "br"], "gzip, br"),
        ([",\tzstd,,"], "zstd"),
        (["x-own"], "x-own"),
    ],
)
def test_content_codings(values: list[str], expected: str | None) -> None:
    assert encoding(*values) == expected


@pytest.mark.parametrize("value", ["a b", "gzip;q=1", '"gzip"', "gzip\xe9", "a" * 101, "a," * 99])
def test_what_is_no_list_of_codings_is_refused(value: str) -> None:
    with pytest.raises(MalformedRequest):
        encoding(value)
