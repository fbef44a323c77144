"""What HTTP says of reading and writing representations, on small bodies (which come through the
queue) and on large ones (which stream).
"""

import base64
import gzip
import hashlib
import json
import random
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment
from tests.acceptance.test_objects import assert_problem
from tests.acceptance.wire import Connection

SMALL, LARGE = 1_000, 3_000_000
NAME = "body.bin"


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.fixture
def client(shared_client: Client) -> Client:
    return shared_client


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "large"])
async def body(client: Client, request: pytest.FixtureRequest) -> bytes:
    body = content(request.param)
    answer = await client.put(NAME, body)
    assert answer.is_success, answer.text
    return body


async def test_one_range(client: Client, body: bytes) -> None:
    size = len(body)
    for asked, first, last in [
        ("0-0", 0, 0),
        ("10-99", 10, 99),
        (f"{size - 5}-", size - 5, size - 1),
        ("-7", size - 7, size - 1),
        (f"-{size * 2}", 0, size - 1),
        (f"5-{size * 2}", 5, size - 1),
    ]:
        answer = await client.get(NAME, headers={"Range": f"bytes={asked}"})
        assert answer.status_code == 206, asked
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{size}"
        assert answer.content == body[first : last + 1]
        assert int(answer.headers["content-length"]) == last - first + 1


async def test_several_ranges(client: Client, body: bytes) -> None:
    answer = await client.get(NAME, headers={"Range": "bytes=0-4,20-29,-3"})
    assert answer.status_code == 206
    kind, _, boundary = answer.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    assert int(answer.headers["content-length"]) == len(answer.content)
    before, *parts, after = answer.content.split(b"--" + boundary.strip('"').encode())
    assert (before.strip(), after.strip()) == (b"", b"--")
    assert [part.partition(b"\r\n\r\n")[2][:-2] for part in parts] == [
        body[:5],
        body[20:30],
        body[-3:],
    ]
    assert b"Content-Range: bytes 20-29/%d" % len(body) in parts[1]


async def test_a_range_that_is_none_is_ignored(client: Client, body: bytes) -> None:
    for asked in ("lines=1-2", "bytes=9-1", "bytes=a-b", "bytes=", "bytes=--5"):
        answer = await client.get(NAME, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (200, body), asked


async def test_a_range_outside_is_416(client: Client, body: bytes) -> None:
    for asked in ("bytes=9000000-", "bytes=-0", "bytes=5000000-6000000"):
        answer = await client.get(NAME, headers={"Range": asked})
        assert_problem(answer, 416, "range-not-satisfiable")
        assert answer.headers["content-range"] == f"bytes */{len(body)}"


async def test_if_range_gives_all_of_what_has_changed(client: Client, body: bytes) -> None:
    whole = await client.get(NAME)
    for condition, status in [
        (whole.headers["etag"], 206),
        (f'"{"0" * 64}"', 200),
        (f"W/{whole.headers['etag']}", 200),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 200),
    ]:
        headers = {"Range": "bytes=0-3", "If-Range": condition}
        answer = await client.get(NAME, headers=headers)
        assert answer.status_code == status, condition
        assert answer.content == (body[:4] if status == 206 else body)


async def test_conditional_reads(client: Client, body: bytes) -> None:
    whole = await client.get(NAME)
    assert whole.content == body
    tag, modified = whole.headers["etag"], whole.headers["last-modified"]
    earlier = format_datetime(parsedate_to_datetime(modified) - timedelta(days=1), usegmt=True)
    other = f'"{"0" * 64}"'
    for headers, status in [
        ({"If-None-Match": tag}, 304),
        ({"If-None-Match": f"W/{tag}, {other}"}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": other}, 200),
        ({"If-Match": tag}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": other}, 412),
        ({"If-Match": f"W/{tag}"}, 412),
        ({"If-Modified-Since": modified}, 304),
        ({"If-Modified-Since": earlier}, 200),
        ({"If-Unmodified-Since": earlier}, 412),
        ({"If-Unmodified-Since": modified}, 200),
        ({"If-None-Match": other, "If-Modified-Since": modified}, 200),
        ({"If-Match": tag, "If-None-Match": tag}, 304),
        ({"If-Match": other, "If-None-Match": tag}, 412),
        ({"If-None-Match": tag, "Range": "bytes=0-1"}, 304),
    ]:
        for operation in ("get_named", "head_named"):
            path = {"bucket": "default", "name": NAME}
            answer = await client.call(operation, path=path, headers=headers)
            assert answer.status_code == status, (operation, headers)
            if status == 304:
                assert answer.content == b""
                assert answer.headers["etag"] == tag


async def test_head_says_what_get_would(client: Client, body: bytes) -> None:
    whole = await client.get(NAME)
    head = await client.call("head_named", path={"bucket": "default", "name": NAME})
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "etag", "content-type", "repr-digest", "accept-ranges"):
        assert head.headers[name] == whole.headers[name]
    assert head.headers["accept-ranges"] == "bytes"


def digests(body: bytes) -> dict[str, dict[str, str]]:
    def encoded(algorithm: str) -> str:
        return base64.b64encode(hashlib.new(algorithm, body).digest()).decode()

    return {
        "sha-256": {"Repr-Digest": f"sha-256=:{encoded('sha256')}:"},
        "both": {"Content-Digest": f"sha-512=:{encoded('sha512')}:, x=:AAAA:"},
        "md5": {"Content-MD5": encoded("md5")},
    }


async def test_digests_are_checked_when_they_are_sent(client: Client) -> None:
    for size in (SMALL, LARGE):
        body = content(size)
        for kind, headers in digests(body).items():
            right = await client.put(f"{kind} {size}", body, headers=headers)
            assert right.status_code == 201, right.text
            wrong = await client.put("unchecked", body + b"x", headers=headers)
            assert_problem(wrong, 400, "digest-mismatch")
    assert_problem(await client.get("unchecked"), 404, "not-found")


async def test_a_digest_that_is_none_is_refused(client: Client) -> None:
    for headers in ({"Content-MD5": "x"}, {"Repr-Digest": "sha-256=abc"}):
        answer = await client.put("unchecked", b"a", headers=headers)
        assert_problem(answer, 400, "malformed-request")


async def test_the_name_under_which_a_browser_saves(client: Client) -> None:
    file_name = {"Content-Disposition": "attachment; filename*=UTF-8''%E0%AA%AA.txt"}
    made = (await client.put("a/b.txt", b"text", headers=file_name)).json()
    assert made["file_name"] == "પ.txt"
    plain = await client.get("a/b.txt")
    assert plain.headers["content-disposition"].startswith("inline;")
    assert "filename*=UTF-8''%E0%AA%AA.txt" in plain.headers["content-disposition"]
    for reading in (
        client.get("a/b.txt", params={"download": "ક.txt"}),
        client.call("get_object", path=made["object_id"], params={"download": "ક.txt"}),
    ):
        saved = (await reading).headers["content-disposition"]
        assert saved.startswith("attachment;")
        assert "filename*=UTF-8''%E0%AA%95.txt" in saved


async def test_encoded_content_comes_back_as_it_was_sent(client: Client) -> None:
    packed = gzip.compress(b"<p>hello</p>" * 100)
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/html"}
    made = await client.put("page", packed, headers=headers)
    assert made.status_code == 201, made.text
    read = await client.get("page")
    assert read.headers["content-encoding"] == "gzip"
    assert read.headers["content-type"] == "text/html"
    assert read.content == b"<p>hello</p>" * 100
    assert int(read.headers["content-length"]) == len(packed)
    assert made.json()["sha256"] == hashlib.sha256(packed).hexdigest()


async def test_nothing_runs_in_a_browser(client: Client) -> None:
    script = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    for declared in ("text/html", "image/svg+xml", "text/plain"):
        await client.put("page", script, headers={"Content-Type": declared})
        headers = (await client.get("page")).headers
        assert headers["x-content-type-options"] == "nosniff"
        policy = headers["content-security-policy"]
        assert "sandbox" in policy
        assert "allow-scripts" not in policy


async def test_part_of_a_body_cannot_be_put(client: Client) -> None:
    headers = {"Content-Range": "bytes 0-0/5"}
    assert_problem(await client.put("part", b"a", headers=headers), 400, "malformed-request")


async def test_the_body_is_asked_for_only_where_it_is_wanted(client: Client) -> None:
    port = int(client.url("receiver", "").rpartition(":")[2])
    head = b"PUT /buckets/default/objects/%s HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n"
    for path, lines, status in [
        (b"ok", b"", 100),
        (b"%FF", b"", 422),
        (b"ok", b"Content-Range: bytes 0-1/2\r\n", 400),
    ]:
        async with Connection.to(port) as connection:
            await connection.send(head % path + lines + b"Expect: 100-continue\r\n\r\n")
            assert (await connection.answer()).status == status
            if status == 100:
                await connection.send(bytes(300_000))
                assert (await connection.answer()).status == 201


async def test_pages_of_chosen_origins_may_use_it() -> None:
    origin = "https://app.example"
    deployment = Deployment.embedded(SANGRAHA_CORS_ORIGINS=json.dumps([origin]))
    async with deployment.running() as client:
        await client.put("a", b"text")
        asked = {"Origin": origin}
        answer = await client.get("a", headers=asked)
        assert answer.headers["access-control-allow-origin"] == origin
        exposed = {
            name.strip().lower()
            for name in answer.headers["access-control-expose-headers"].split(",")
        }
        assert {"etag", "content-range", "location", "repr-digest", "x-request-id"} <= exposed
        missing = await client.get("b", headers=asked)
        assert missing.status_code == 404
        assert missing.headers["access-control-allow-origin"] == origin
        other = await client.get("a", headers={"Origin": "https://other.example"})
        assert "access-control-allow-origin" not in other.headers
        preflight = await preflighted(client, origin)
        assert preflight.status_code == 200
        assert "PUT" in preflight.headers["access-control-allow-methods"]
        assert "if-match" in preflight.headers["access-control-allow-headers"].lower()


async def preflighted(client: Client, origin: str) -> httpx.Response:
    asked: dict[str, Any] = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "If-Match, Sangraha-Meta-Room",
    }
    async with httpx.AsyncClient() as http:
        url = client.url("receiver", "/buckets/default/objects/a")
        return await http.options(url, headers=asked)
