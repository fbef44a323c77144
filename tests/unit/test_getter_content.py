"""How the bytes of an object are answered, alike from a reply and from the store."""

import base64
import hashlib
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import msgspec
import pytest
from fastapi import FastAPI, Request
from obstore.store import MemoryStore
from starlette.responses import Response

from sangraha.http.dates import http_date
from sangraha.http.exchange import ExchangeMiddleware
from sangraha.http.problems import install_problems
from sangraha.messages import Found
from sangraha.metrics import Metrics
from sangraha.objects import Location, ObjectInfo
from sangraha.store.obstore_store import ObstoreStore
from sangraha_getter.content import Address, content_answer

SIZE = 5000
BODY = random.Random(1).randbytes(SIZE)
ID = UUID("01890000-0000-7000-8000-000000000001")
CREATED = datetime(2031, 5, 6, 7, 8, 9, 999_999, UTC)
DIGEST = hashlib.sha256(BODY).hexdigest()
TAG = f'"{DIGEST}"'
OTHER_TAG = f'"{"0" * 64}"'
OBJECT = ObjectInfo(
    object_id=ID,
    request_id=ID,
    bucket="default",
    name=None,
    file_name="ક.txt",
    version=1,
    type="other",
    content_type="text/plain; charset=utf-8",
    declared_content_type=None,
    size=SIZE,
    sha256=DIGEST,
    metadata={},
    created_at=CREATED,
    revision=1,
)
# In the store the body lies within another one.
BEFORE = 77
LOCATION = Location("default/packs/a", BEFORE, SIZE)


class Reader:
    """A client, and what the catalog said of the object it reads."""

    def __init__(self, *, from_store: bool) -> None:
        self.found = Found(read_id=ID, object=OBJECT, max_age_seconds=60, modified_at=CREATED)
        self.from_store = from_store
        self.address = Address("private, max-age=60", is_version=True, headers={"X-Own": "1"})
        self.store = ObstoreStore(MemoryStore(), timeout_seconds=5)
        self.app = FastAPI()
        install_problems(self.app)

        @self.app.api_route("/", methods=["GET", "HEAD"])
        async def read(request: Request) -> Response:
            return content_answer(request, self.store, self._told(request), self.address)

        self.app.add_middleware(ExchangeMiddleware, metrics=Metrics())
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://test"
        )

    def _told(self, request: Request) -> Found:
        if request.method == "HEAD":
            return self.found
        if self.from_store:
            return msgspec.structs.replace(self.found, location=LOCATION)
        return msgspec.structs.replace(self.found, body=BODY[: self.found.object.size])

    def change(self, **fields: object) -> None:
        changed = msgspec.structs.replace(self.found.object, **fields)
        self.found = msgspec.structs.replace(self.found, object=changed)

    async def get(self, **headers: str) -> httpx.Response:
        return await self.call("GET", **headers)

    async def call(self, method: str, **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        # httpx would offer encodings of its own and decode them.
        return await self._http.request(method, "/", headers=sent)

    async def raw(self) -> tuple[httpx.Headers, bytes]:
        """The answer as it was sent, undecoded."""
        async with self._http.stream("GET", "/") as answer:
            return answer.headers, b"".join([chunk async for chunk in answer.aiter_raw()])

    async def close(self) -> None:
        await self._http.aclose()


@pytest.fixture(params=["reply", "store"])
async def reader(request: pytest.FixtureRequest) -> AsyncIterator[Reader]:
    reader = Reader(from_store=request.param == "store")
    await reader.store.put(LOCATION.key, b"#" * BEFORE + BODY + b"#" * 99)
    yield reader
    await reader.close()


async def test_the_whole_is_told_with_all_that_is_known_of_it(reader: Reader) -> None:
    answer = await reader.get()
    assert (answer.status_code, answer.content) == (200, BODY)
    digest = base64.b64encode(bytes.fromhex(DIGEST)).decode()
    told = {
        "content-length": str(SIZE),
        "content-type": "text/plain; charset=utf-8",
        "etag": TAG,
        "last-modified": "Tue, 06 May 2031 07:08:09 GMT",
        "cache-control": "private, max-age=60",
        "accept-ranges": "bytes",
        "repr-digest": f"sha-256=:{digest}:",
        "content-disposition": "inline; filename=\"_.txt\"; filename*=UTF-8''%E0%AA%95.txt",
        "x-content-type-options": "nosniff",
        "x-own": "1",
    }
    assert told.items() <= dict(answer.headers).items()
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "allow-" not in answer.headers["content-security-policy"]


async def test_head_tells_the_same_without_the_bytes_and_knows_no_ranges(reader: Reader) -> None:
    whole, head = await reader.get(), await reader.call("HEAD", Range="bytes=0-1")
    assert (head.status_code, head.content) == (200, b"")
    ids = ("x-request-id", "date")
    assert {name: value for name, value in head.headers.items() if name not in ids} == {
        name: value for name, value in whole.headers.items() if name not in ids
    }


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-99", 10, 99),
        ("bytes=4990-", 4990, 4999),
        ("bytes=-10", 4990, 4999),
        ("bytes=4999-99999", 4999, 4999),
        ("bytes=0-", 0, 4999),
        ("bytes=10-19,15-30", 10, 30),
    ],
)
async def test_a_range_is_that_part(reader: Reader, asked: str, first: int, last: int) -> None:
    answer = await reader.get(Range=asked)
    assert (answer.status_code, answer.content) == (206, BODY[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["content-length"] == str(last - first + 1)
    assert answer.headers["content-type"] == OBJECT.content_type
    assert answer.headers["etag"] == TAG


async def test_several_ranges_are_parts_of_one_answer(reader: Reader) -> None:
    answer = await reader.get(Range="bytes=4000-4009, 0-4, -1")
    assert answer.status_code == 206
    kind, _, boundary = answer.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    assert "content-range" not in answer.headers
    assert int(answer.headers["content-length"]) == len(answer.content)
    parts = []
    for first, last in ((4000, 4009), (0, 4), (4999, 4999)):
        parts.append(
            f"--{boundary}\r\nContent-Type: {OBJECT.content_type}\r\n"
            f"Content-Range: bytes {first}-{last}/{SIZE}\r\n\r\n".encode()
            + BODY[first : last + 1]
        )
    assert answer.content == b"\r\n".join([*parts, f"--{boundary}--\r\n".encode()])


@pytest.mark.parametrize("asked", ["lines=0-1", "bytes=5-1", "bytes=x", "bytes=0-4999,0-4999"])
async def test_what_is_no_range_is_not_heeded(reader: Reader, asked: str) -> None:
    answer = await reader.get(Range=asked)
    assert (answer.status_code, answer.content) in ((200, BODY), (206, BODY))


@pytest.mark.parametrize("asked", ["bytes=5000-", "bytes=-0", "bytes=9000-9999,7000-"])
async def test_a_range_beyond_the_end_is_told_the_size(reader: Reader, asked: str) -> None:
    answer = await reader.get(Range=asked)
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{SIZE}"
    assert answer.json()["type"] == "/problems/range-not-satisfiable"


BEFORE_THEN = http_date(CREATED - timedelta(hours=1))
THEN = http_date(CREATED)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If_None_Match": TAG}, 304),
        ({"If_None_Match": "*"}, 304),
        ({"If_None_Match": OTHER_TAG}, 200),
        ({"If_Match": OTHER_TAG}, 412),
        ({"If_Match": TAG}, 200),
        ({"If_Match": OTHER_TAG, "If_None_Match": TAG}, 412),
        ({"If_Modified_Since": THEN}, 304),
        ({"If_Modified_Since": BEFORE_THEN}, 200),
        ({"If_Unmodified_Since": BEFORE_THEN}, 412),
        ({"If_Unmodified_Since": THEN}, 200),
        ({"If_None_Match": TAG, "Range": "bytes=0-1"}, 304),
        ({"If_Match": OTHER_TAG, "Range": "bytes=9999-"}, 412),
    ],
)
async def test_preconditions_come_before_everything(
    reader: Reader, method: str, headers: dict[str, str], status: int
) -> None:
    answer = await reader.call(method, **headers)
    assert answer.status_code == status
    if status == 304:
        assert answer.content == b""
        told = {"etag": TAG, "last-modified": THEN, "cache-control": "private, max-age=60"}
        assert {**told, "x-own": "1"}.items() <= dict(answer.headers).items()
        assert "content-type" not in answer.headers


@pytest.mark.parametrize(
    ("condition", "of_id", "of_name"),
    [
        (TAG, 206, 206),
        (f"W/{TAG}", 200, 200),
        (OTHER_TAG, 200, 200),
        (THEN, 206, 200),
        (BEFORE_THEN, 200, 200),
    ],
)
async def test_if_range_trusts_a_date_only_where_nothing_else_can_come(
    reader: Reader, condition: str, of_id: int, of_name: int
) -> None:
    for is_version, status in ((True, of_id), (False, of_name)):
        reader.address = Address("private, no-cache", is_version=is_version)
        answer = await reader.get(If_Range=condition, Range="bytes=3-5")
        assert answer.status_code == status
        assert answer.content == (BODY[3:6] if status == 206 else BODY)


async def test_an_encoding_is_told_as_it_was_given_and_its_parts_are_not_framed(
    reader: Reader,
) -> None:
    reader.change(content_encoding="gzip")
    headers, sent = await reader.raw()
    assert (headers["content-encoding"], sent) == ("gzip", BODY)
    one = await reader.call("HEAD")
    assert one.headers["content-encoding"] == "gzip"
    reader.change(content_encoding="br, x-own")
    several = await reader.get(Range="bytes=0-1,5-6")
    assert several.status_code == 200
    assert "multipart" not in several.headers["content-type"]


@pytest.mark.parametrize(
    ("download", "told"),
    [
        ("", "attachment; filename=\"_.txt\"; filename*=UTF-8''%E0%AA%95.txt"),
        ("a.txt", 'attachment; filename="a.txt"'),
        ("a\r\nX: 1", "attachment; filename=\"a__X: 1\"; filename*=UTF-8''a%0D%0AX%3A%201"),
    ],
)
async def test_a_download_is_saved_under_the_name_that_was_asked_for(
    reader: Reader, download: str, told: str
) -> None:
    reader.address = Address("private, no-cache", is_version=True, download=download)
    assert (await reader.get()).headers["content-disposition"] == told


async def test_an_empty_object_is_answered_and_has_no_ranges() -> None:
    reader = Reader(from_store=False)
    reader.change(size=0, sha256=hashlib.sha256(b"").hexdigest())
    whole = await reader.get()
    assert (whole.status_code, whole.content) == (200, b"")
    assert whole.headers["content-length"] == "0"
    beyond = await reader.get(Range="bytes=0-")
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == "bytes */0"
    await reader.close()


async def test_a_body_that_is_missing_in_the_store_is_a_problem() -> None:
    reader = Reader(from_store=True)
    for headers in ({}, {"Range": "bytes=0-1,4-5"}):
        answer = await reader.get(**headers)
        assert answer.status_code == 500
        assert answer.json()["type"] == "/problems/body-missing"
    await reader.close()
