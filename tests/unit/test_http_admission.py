"""Who is let in, who is refused at the door, and that places are given back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from sangraha.http.admission import MAX_HELD_BYTES, AdmissionMiddleware, Limits
from sangraha.metrics import Metrics
from tests.waiting import eventually

LIMITS = Limits(writes=2, write_bytes=1000, raw_body_bytes=600, reads=2)


@dataclass
class Slow:
    """An app whose requests are under way until they may end. `/objects/broken` fails then."""

    under_way: int = 0
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.under_way += 1
        try:
            await self.answer(Request(scope))(scope, receive, send)
        finally:
            self.under_way -= 1

    def answer(self, request: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"begun"
            await self.may_end.wait()
            if request.url.path == "/objects/broken":
                raise LookupError
            yield b"ended"

        return StreamingResponse(body())


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def http(slow: Slow, metrics: Metrics) -> AsyncIterator[httpx.AsyncClient]:
    app = AdmissionMiddleware(slow, LIMITS, metrics)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
        slow.may_end.set()


class Crowd:
    """Requests that are under way at the same time."""

    def __init__(self, http: httpx.AsyncClient, slow: Slow) -> None:
        self._http, self._slow = http, slow
        self.tasks: list[asyncio.Task[httpx.Response]] = []

    async def add(self, method: str, size: int = 0, path: str = "/objects/a") -> None:
        expected = self._slow.under_way + 1
        content = bytes(size) if size else None
        request = self._http.request(method, path, content=content)
        self.tasks.append(asyncio.create_task(request))
        await eventually(lambda: self._slow.under_way == expected)

    async def end(self) -> list[int]:
        self._slow.may_end.set()
        answers = await asyncio.gather(*self.tasks)
        self._slow.may_end.clear()
        self.tasks.clear()
        return [answer.status_code for answer in answers]


@pytest.fixture
def crowd(http: httpx.AsyncClient, slow: Slow) -> Crowd:
    return Crowd(http, slow)


def is_refused(answer: httpx.Response) -> bool:
    if answer.status_code != 503:
        return False
    assert answer.json()["type"] == "/problems/overloaded"
    assert int(answer.headers["retry-after"]) > 0
    return True


@pytest.mark.parametrize(("method", "other"), [("PUT", "GET"), ("GET", "PUT"), ("DELETE", "HEAD")])
async def test_so_many_are_let_in_until_their_last_byte_and_the_next_is_refused_at_once(
    http: httpx.AsyncClient, crowd: Crowd, method: str, other: str
) -> None:
    for _ in range(2):
        await crowd.add(method)
        await crowd.add(method)
        assert is_refused(await http.request(method, "/objects/a"))
        # Reading and writing have places of their own; what is for operators needs none.
        await crowd.add(other)
        await crowd.add(method, path="/health")
        await crowd.add(method, path="/dead-letters")
        assert await crowd.end() == [200] * 5


async def test_bytes_are_bounded_as_far_as_they_are_in_memory(
    http: httpx.AsyncClient, crowd: Crowd
) -> None:
    await crowd.add("PUT", 500)
    assert is_refused(await http.put("/objects/a", content=bytes(501)))
    # Of a raw body no more than a part is in memory, however large it is.
    assert is_refused(await http.put("/objects/a", content=bytes(100_000)))
    await crowd.add("PUT", 500)
    assert await crowd.end() == [200, 200]
    await crowd.add("PUT", 400)
    await crowd.add("PUT", 100_000)
    assert await crowd.end() == [200, 200]


@pytest.mark.parametrize("size", [1001, MAX_HELD_BYTES + 1])
async def test_one_alone_is_let_in_however_large_it_is(
    http: httpx.AsyncClient, crowd: Crowd, size: int
) -> None:
    await crowd.add("POST", size)
    assert is_refused(await http.post("/objects/a", content=b"1"))
    assert await crowd.end() == [200]


async def test_a_body_that_does_not_say_its_length_counts_for_the_most_it_may_have(
    http: httpx.AsyncClient, crowd: Crowd
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"a"

    await crowd.add("PUT", 401)
    assert is_refused(await http.put("/objects/a", content=chunks()))
    assert await crowd.end() == [200]


async def test_whoever_fails_or_leaves_gives_the_place_back(
    http: httpx.AsyncClient, slow: Slow, crowd: Crowd, metrics: Metrics
) -> None:
    for _ in range(3):
        await crowd.add("PUT", 500, "/objects/broken")
        await crowd.add("PUT", 500)
        crowd.tasks.pop().cancel()
        await eventually(lambda: slow.under_way == 1)
        await crowd.end()
    page = metrics.page().decode()
    assert 'sangraha_admitted_requests{kind="write"} 0.0' in page
    assert 'sangraha_admitted_bytes{kind="write"} 0.0' in page


async def test_operators_see_what_is_under_way_and_what_was_refused(
    http: httpx.AsyncClient, crowd: Crowd, metrics: Metrics
) -> None:
    await crowd.add("PUT", 300)
    await crowd.add("PUT", 200)
    assert is_refused(await http.put("/objects/a"))
    page = metrics.page().decode()
    assert 'sangraha_admitted_requests{kind="write"} 2.0' in page
    assert 'sangraha_admitted_bytes{kind="write"} 500.0' in page
    assert 'sangraha_refused_requests_total{kind="write"} 1.0' in page
