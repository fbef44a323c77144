"""What may be sent on a connection: offers to upgrade, bounds of headers, what is not HTTP."""

from collections.abc import Iterator

import pytest

from sangraha.http.protocol import MAX_HEADER_BYTES
from tests.acceptance.sangraha_server import SangrahaServer
from tests.acceptance.wire import Answer, Connection, get, post
from tests.waiting import eventually

H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
WEBSOCKET = b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
DOCUMENT = b'{"data": [1, 2, "\xe0\xaa\xaa\\u0000\\r\\nUpgrade: h2c"]}'


@pytest.fixture(scope="module")
def process() -> Iterator[SangrahaServer]:
    server = SangrahaServer("run", {})
    try:
        server.start()
        yield server
    finally:
        server.stop()
        server.folder.remove()


@pytest.fixture
def port(process: SangrahaServer) -> int:
    return int(process.url.rpartition(":")[2])


async def assert_kept(connection: Connection, answer: Answer) -> None:
    """The answer is of a write of DOCUMENT, and the same connection reads it back."""
    assert answer.status == 201, answer.body
    await connection.send(get(answer.headers["location"].encode()))
    body = (await connection.answer()).body
    assert body == DOCUMENT.removeprefix(b'{"data": ').removesuffix(b"}")


@pytest.mark.parametrize("offer", [H2C, WEBSOCKET], ids=["h2c", "websocket"])
async def test_a_write_that_offers_an_upgrade_is_kept_and_the_connection_too(
    port: int, offer: bytes
) -> None:
    async with Connection.to(port) as connection:
        for _ in range(2):
            await connection.send(post(DOCUMENT, headers=offer))
            await assert_kept(connection, await connection.answer())


async def test_an_offer_may_be_split_at_any_byte(port: int) -> None:
    request = post(DOCUMENT, headers=H2C)
    async with Connection.to(port) as connection:
        for cut in range(1, len(request)):
            await connection.send(request[:cut], request[cut:])
            answer = await connection.answer()
            assert answer.status == 201, (cut, answer.body)
        await assert_kept(connection, answer)
        await connection.send(*(request[at : at + 1] for at in range(len(request))))
        await assert_kept(connection, await connection.answer())


async def test_a_chunked_write_may_offer_an_upgrade(port: int) -> None:
    head = b"POST /objects HTTP/1.1\r\nHost: a\r\n" + H2C + b"Transfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in DOCUMENT) + b"0\r\n\r\n"
    async with Connection.to(port) as connection:
        for packets in ([head + chunks], [head, chunks], [head + chunks[:3], chunks[3:]]):
            await connection.send(*packets)
            await assert_kept(connection, await connection.answer())


async def test_reads_and_pipelined_requests_may_offer_an_upgrade(port: int) -> None:
    requests = (
        get(b"/health/live", H2C) + post(DOCUMENT, headers=H2C) + get(b"/health/live", WEBSOCKET)
    )
    async with Connection.to(port) as connection:
        await connection.send(requests + get(b"/nothing"))
        statuses = [(await connection.answer()).status for _ in range(4)]
        assert statuses == [200, 201, 200, 404]


async def test_a_client_that_offers_an_upgrade_may_expect_100_continue(port: int) -> None:
    request = post(DOCUMENT, headers=H2C + b"Expect: 100-continue\r\n")
    async with Connection.to(port) as connection:
        await connection.send(request.removesuffix(DOCUMENT))
        assert (await connection.answer()).status == 100
        await connection.send(DOCUMENT)
        await assert_kept(connection, await connection.answer())


async def test_an_offer_is_no_news_for_the_log(port: int, process: SangrahaServer) -> None:
    async with Connection.to(port) as connection:
        await connection.send(get(b"/health/live", WEBSOCKET))
        assert (await connection.answer()).status == 200
    assert "pgrade" not in process.log


@pytest.mark.parametrize("size", [MAX_HEADER_BYTES, 100_000, 1_000_000])
@pytest.mark.parametrize("where", ["value", "name", "path", "many"])
async def test_too_large_a_header_section_is_refused(port: int, size: int, where: str) -> None:
    request = {
        "value": get(b"/health/live", b"A: " + size * b"a" + b"\r\n"),
        "name": get(b"/health/live", size * b"a" + b": a\r\n"),
        "path": get(b"/" + size * b"a"),
        "many": get(b"/health/live", size // 4 * b"A:\r\n"),
    }[where]
    async with Connection.to(port) as connection:
        await connection.send(request)
        (await connection.answer()).assert_problem(431, "headers-too-large")
        await connection.closed()


async def test_headers_that_never_end_are_refused_before_they_do(port: int) -> None:
    async with Connection.to(port) as connection:
        await connection.send(b"GET / HTTP/1.1\r\nA: " + MAX_HEADER_BYTES * b"a")
        (await connection.answer()).assert_problem(431, "headers-too-large")
        await connection.closed()


async def test_trailers_that_never_end_are_refused_before_they_do(port: int) -> None:
    head = b"POST /objects HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with Connection.to(port) as connection:
        await connection.send(head + b"1\r\n{\r\n0\r\nA: ", MAX_HEADER_BYTES * b"a", b"a")
        (await connection.answer()).assert_problem(431, "headers-too-large")
        await connection.closed()


async def test_a_header_section_of_nearly_the_limit_is_read(port: int) -> None:
    async with Connection.to(port) as connection:
        await connection.send(get(b"/health/live", b"A: " + 65_000 * b"a" + b"\r\n"))
        assert (await connection.answer()).status == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        get(b"/health/live", b"A: \x00\r\n"),
        post(DOCUMENT, headers=b"Content-Length: 3\r\n"),
        post(DOCUMENT, headers=b"Transfer-Encoding: chunked\r\n"),
        b"GET /health/live HTTP/1.1\r\n\r\n",
        get(b"/health/live", b"Host: b\r\n"),
        b"POST /objects HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused_as_a_problem(port: int, request_: bytes) -> None:
    async with Connection.to(port) as connection:
        await connection.send(request_)
        (await connection.answer()).assert_problem(400, "malformed-request")
        await connection.closed()


async def test_a_body_that_breaks_its_framing_is_refused_as_a_problem(
    port: int, process: SangrahaServer
) -> None:
    head = b"POST /objects HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with Connection.to(port) as connection:
        await connection.send(head + b"1\r\n{\r\n", b"no size\r\n")
        (await connection.answer()).assert_problem(400, "malformed-request")
        await connection.closed()
    await eventually(lambda: "went away in POST" in process.log)


async def test_what_was_asked_before_is_answered_before_a_refusal(port: int) -> None:
    broken = b"POST /objects HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n"
    for second in (b"no http\r\n", broken, get(b"/" + 70_000 * b"a")):
        async with Connection.to(port) as connection:
            await connection.send(post(DOCUMENT) + second)
            assert (await connection.answer()).status == 201
            assert (await connection.answer()).status in {400, 431}
            await connection.closed()
