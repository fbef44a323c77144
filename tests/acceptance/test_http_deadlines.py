"""How long a client may take to say what it wants: headers as a whole, bodies between bytes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from fastapi import FastAPI, Request
from starlette.responses import Response

from sangraha.ending import Ending
from sangraha.http.exchange import ExchangeMiddleware
from sangraha.http.health import Health
from sangraha.http.protocol import HttpProtocol
from sangraha.http.server import HttpServer, listening_socket
from sangraha.metrics import Metrics
from tests.acceptance.wire import Connection, post
from tests.waiting import eventually


class Hasty(HttpProtocol):
    head_seconds = 0.3
    stall_seconds = 0.3


@dataclass
class Echo:
    """The server itself, hasty, with an app that says what it was sent."""

    port: int
    gone: list[str]
    go_on: asyncio.Event


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    app, health, ending = FastAPI(), Health({}), Ending()
    listener = listening_socket("127.0.0.1", 0)
    echo = Echo(listener.getsockname()[1], [], asyncio.Event())

    @app.post("/{name}")
    async def answer(request: Request, name: str) -> Response:
        try:
            if name == "slow":
                await echo.go_on.wait()
            return Response(await request.body(), headers={"A": request.headers.get("a", "")})
        except BaseException as error:
            echo.gone.append(type(error).__name__)
            raise

    app.add_middleware(ExchangeMiddleware, metrics=Metrics())
    server = HttpServer(app, health, ending, drain_seconds=0, grace_seconds=5, protocol=Hasty)
    serving = asyncio.create_task(server.serve(listener))
    yield echo
    server.stop()
    await serving


@pytest.mark.parametrize("part", [b"G", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nA"])
@pytest.mark.parametrize("before", [b"", post(b"1")])
async def test_a_request_that_is_never_finished_is_timed_out(
    echo: Echo, part: bytes, before: bytes
) -> None:
    async with Connection.to(echo.port) as connection:
        await connection.send(before + part)
        if before:
            assert (await connection.answer()).body == b"1"
        (await connection.answer()).assert_problem(408, "request-timeout")
        await connection.closed()


async def test_a_header_section_that_trickles_is_timed_out(echo: Echo) -> None:
    async with Connection.to(echo.port) as connection:
        lines = [b"GET / HTTP/1.1\r\n", *(1000 * [b"A: a\r\n"])]
        trickle = asyncio.create_task(connection.send(*lines))
        (await connection.answer()).assert_problem(408, "request-timeout")
        assert not trickle.done()
        trickle.cancel()


@pytest.mark.parametrize("said", [b"", b"\r\n"])
async def test_a_connection_that_asks_nothing_is_closed(echo: Echo, said: bytes) -> None:
    async with Connection.to(echo.port) as connection:
        await connection.send(said)
        await connection.closed()


async def test_a_stalled_body_ends_as_a_client_that_went_away(echo: Echo) -> None:
    async with Connection.to(echo.port) as connection:
        await connection.send(post(b"123")[:-1])
        await connection.closed()
    await eventually(lambda: echo.gone == ["ClientDisconnect"])


async def test_a_slow_body_that_moves_is_read_to_its_end(echo: Echo) -> None:
    body = bytes(1000)
    request = post(body)
    head = len(request) - len(body)
    async with Connection.to(echo.port) as connection:
        started = asyncio.get_running_loop().time()
        await connection.send(request[:head], *(b"\0" for _ in body))
        assert asyncio.get_running_loop().time() - started > 2 * Hasty.stall_seconds
        assert (await connection.answer()).body == body


@pytest.mark.parametrize("headers", [b"", b"Expect: 100-continue\r\n"])
async def test_a_client_that_is_made_to_wait_has_not_stalled(echo: Echo, headers: bytes) -> None:
    body = 8_000_000 * b"a"
    async with Connection.to(echo.port) as connection:
        request = post(body, headers, b"/slow")
        sent = len(request) - len(body) if headers else len(request)
        sending = asyncio.create_task(connection.send(request[:sent]))
        await asyncio.sleep(3 * Hasty.stall_seconds)
        echo.go_on.set()
        if headers:
            assert (await connection.answer()).status == 100
            await connection.send(body)
        assert (await connection.answer()).body == body
        await sending


async def test_a_request_in_work_outlives_the_time_for_headers(echo: Echo) -> None:
    async with Connection.to(echo.port) as connection:
        await connection.send(post(b"1", path=b"/slow"), b"\r\n")
        await asyncio.sleep(3 * Hasty.head_seconds)
        echo.go_on.set()
        assert (await connection.answer()).body == b"1"
        await connection.send(post(b"2"))
        assert (await connection.answer()).body == b"2"


async def test_trailers_are_no_headers(echo: Echo) -> None:
    head = b"POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with Connection.to(echo.port) as connection:
        await connection.send(head + b"1\r\n1\r\n0\r\nA: trailer\r\n\r\n")
        echo.go_on.set()
        answer = await connection.answer()
        assert (answer.body, answer.headers["a"]) == (b"1", "")
