"""Bodies that flow through the getter: whole, cut with the store, dropped with the client."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from fastapi import FastAPI, Request
from starlette.responses import Response

from sangraha.ending import Ending
from sangraha.errors import StoreUnavailable
from sangraha.http.exchange import ExchangeMiddleware
from sangraha.http.faults import FaultMiddleware
from sangraha.http.health import Health
from sangraha.http.problems import install_problems
from sangraha.http.server import HttpServer, listening_socket
from sangraha.metrics import Metrics
from sangraha.store.pieces import pour
from sangraha.store.protocol import Sink
from sangraha_getter import streaming
from sangraha_getter.streaming import StreamedAnswer
from tests.acceptance.wire import Connection
from tests.waiting import eventually

CHUNK = bytes(range(256)) * 4096
MIB = len(CHUNK)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Source:
    """A stream that tells how far it was read, and whether it was closed."""

    def __init__(self, chunks: int, *, ends: BaseException | None = None) -> None:
        self.size = chunks * MIB
        self.asked = False
        self.told = 0
        self.ended = False
        self.closed = False
        self.waits = False
        self.go_on = asyncio.Event()
        self.go_on.set()
        self._chunks, self._ends = chunks, ends

    async def stream(self) -> AsyncGenerator[bytes, None]:
        self.asked = True
        try:
            for _ in range(self._chunks):
                self.waits = not self.go_on.is_set()
                await self.go_on.wait()
                # No store has its bytes at hand.
                await asyncio.sleep(0)
                self.told += 1
                yield CHUNK
            if self._ends is not None:
                raise self._ends
            self.ended = True
        finally:
            self.closed = True


PAST = pytest.mark.parametrize("past", [False, True], ids=["through", "past"])
"""Through the server or past it."""


@asynccontextmanager
async def serving(
    source: Source, length: int | None = None, *, past: bool, threads: int = 8
) -> AsyncIterator[int]:
    """The port of a server that answers with the source."""
    app, listener = FastAPI(), listening_socket("127.0.0.1", 0)
    listener.listen()
    clients = ThreadPoolExecutor(threads)

    async def poured(sink: Sink) -> None:
        await pour(source.stream(), sink, clients)

    @app.get("/")
    async def read(request: Request) -> Response:
        return StreamedAnswer(
            200,
            {"ETag": '"a"'},
            source.stream,
            length or source.size,
            poured if past else None,
        )

    install_problems(app)
    app.add_middleware(FaultMiddleware)
    app.add_middleware(ExchangeMiddleware, metrics=Metrics())
    server = HttpServer(app, Health({}), Ending(), drain_seconds=0, grace_seconds=5)
    running = asyncio.create_task(server.serve(listener))
    try:
        yield listener.getsockname()[1]
    finally:
        server.stop()
        await running
        clients.shutdown(wait=False)


@PAST
async def test_every_byte_comes_and_the_connection_serves_the_next_request(past: bool) -> None:
    source = Source(5)
    async with serving(source, past=past) as port, Connection.to(port) as connection:
        for _ in range(2):
            await connection.send(GET)
            answer = await connection.answer()
            assert answer.status == 200
            assert answer.headers["etag"] == '"a"'
            assert answer.body == CHUNK * 5
            assert "connection" not in answer.headers
        await eventually(lambda: source.ended)


@PAST
async def test_a_request_that_comes_while_the_store_is_asked_waits_for_its_turn(past: bool) -> None:
    source = Source(5)
    source.go_on.clear()
    async with serving(source, past=past) as port, Connection.to(port) as connection:
        await connection.send(GET)
        await eventually(lambda: source.waits)
        await connection.send(GET)
        # Read by the server, though not begun.
        await asyncio.sleep(0.05)
        source.go_on.set()
        for _ in range(2):
            assert (await connection.answer()).body == CHUNK * 5


@pytest.mark.parametrize(
    ("ends", "status", "slug"),
    [(StoreUnavailable("it is away"), 503, "store-unavailable"), (None, 500, "body-missing")],
)
@PAST
async def test_what_fails_before_the_first_byte_is_a_problem(
    ends: Exception | None, status: int, slug: str, past: bool
) -> None:
    source = Source(0, ends=ends)
    async with serving(source, MIB, past=past) as port, Connection.to(port) as connection:
        await connection.send(GET)
        answer = await connection.answer()
        assert answer.status == status
        assert json.loads(answer.body)["type"] == f"/problems/{slug}"
        assert "etag" not in answer.headers


@pytest.mark.parametrize("ends", [StoreUnavailable("gone"), ValueError("a mistake"), None])
@PAST
async def test_what_fails_later_cuts_the_answer_so_that_the_client_can_tell(
    ends: Exception | None, past: bool
) -> None:
    source = Source(3, ends=ends)
    async with serving(source, 4 * MIB, past=past) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET + GET)
        async with asyncio.timeout(20):
            head = await reader.readuntil(b"\r\n\r\n")
            rest = await reader.read()
        assert b"content-length: %d\r\n" % (4 * MIB) in head.lower()
        assert len(rest) <= 3 * MIB
        assert rest == (CHUNK * 3)[: len(rest)]
        assert source.closed
        writer.close()


@pytest.mark.parametrize("leaves", ["before the first chunk", "between two", "without reading"])
@PAST
async def test_the_stream_is_closed_as_soon_as_the_client_is_gone(
    leaves: str, caplog: pytest.LogCaptureFixture, past: bool
) -> None:
    source = Source(1000)
    if leaves == "before the first chunk":
        source.go_on.clear()
    async with serving(source, past=past) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        if leaves == "before the first chunk":
            await eventually(lambda: source.asked)
        elif leaves == "between two":
            await reader.readexactly(1000)
            source.go_on.clear()
            reading = asyncio.create_task(reader.read())
            await eventually(lambda: source.waits)
            reading.cancel()
        else:
            await eventually(lambda: source.told > 1)
        writer.close()
        await eventually(lambda: source.closed)
        assert source.told < 100
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@PAST
async def test_a_client_that_does_not_read_keeps_the_stream_waiting(past: bool) -> None:
    source = Source(1000)
    async with serving(source, past=past) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(GET)
        await reader.readexactly(1000)
        told = -1
        while told != source.told:
            # Sockets take some MiB before the client's silence is felt.
            told = source.told
            await asyncio.sleep(0.2)
        assert told < 30
        writer.close()
        await eventually(lambda: source.closed)


async def test_clients_that_do_not_read_hold_only_so_many_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming, "PAST_AT_A_TIME", 2)
    source = Source(32)
    async with serving(source, past=True, threads=2) as port, AsyncExitStack() as stack:
        for _ in range(2):
            idle = await stack.enter_async_context(Connection.to(port))
            await idle.send(GET)
            await eventually(lambda: source.told > 1)
            source.told = 0
        connection = await stack.enter_async_context(Connection.to(port))
        await connection.send(GET)
        assert len((await connection.answer()).body) == source.size


@PAST
async def test_what_fails_after_the_last_byte_harms_nobody(past: bool) -> None:
    source = Source(2, ends=StoreUnavailable("too late"))
    async with serving(source, past=past) as port, Connection.to(port) as connection:
        for _ in range(2):
            await connection.send(GET)
            assert (await connection.answer()).body == CHUNK * 2
