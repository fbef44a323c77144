"""Bodies past the server: whole, cut, stalled, refused halfway, and what comes after them."""

import asyncio
import hashlib
import json
import socket
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from sangraha.ending import Ending
from sangraha.errors import BodyTooLarge
from sangraha.http import socket_body
from sangraha.http.exchange import ExchangeMiddleware
from sangraha.http.faults import FaultMiddleware
from sangraha.http.health import Health
from sangraha.http.hijack import hijacked
from sangraha.http.problems import install_problems
from sangraha.http.protocol import HttpProtocol
from sangraha.http.server import HttpServer, listening_socket
from sangraha.http.socket_body import BUFFER_BYTES, SocketBody
from sangraha.metrics import Metrics
from tests.acceptance.wire import Answer, Connection, get, post
from tests.waiting import eventually

BODY = hashlib.shake_256(b"a body").digest(3_000_000)


class Hasty(HttpProtocol):
    stall_seconds = 0.5


@dataclass
class Taker:
    """A server that has a thread take bodies. `/refuse` stops after 1,000,000 bytes, `/refuse-all`
    at the end, `/wait` begins when it may.
    """

    port: int = 0
    pieces: list[int] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    body: SocketBody | None = None
    go_on: threading.Event = field(default_factory=threading.Event)
    waits: bool = False

    async def take(self, request: Request, name: str) -> Response:
        try:
            async with hijacked(request) as body:
                if body is None:
                    content = await request.body()
                    return answer_of(content, past=False)
                self.body = body
                content = await asyncio.to_thread(self._read, body, name)
        except BaseException as error:
            self.gone.append(type(error).__name__)
            raise
        return answer_of(content, past=True)

    def _read(self, body: SocketBody, name: str) -> bytes:
        content = bytearray()
        if name == "wait":
            self.waits = True
            self.go_on.wait()
        for piece in body:
            self.pieces.append(len(piece))
            content += piece
            if name == "refuse" and len(content) > 1_000_000:
                raise BodyTooLarge
        if name == "refuse-all":
            raise BodyTooLarge
        return bytes(content)


def answer_of(content: bytes, *, past: bool) -> Response:
    return JSONResponse({"sha256": hashlib.sha256(content).hexdigest(), "past": past})


@pytest.fixture
async def taker() -> AsyncIterator[Taker]:
    app, taker = FastAPI(), Taker()
    listener = listening_socket("127.0.0.1", 0)
    taker.port = listener.getsockname()[1]

    @app.get("/{name}")
    async def say(name: str) -> Response:
        return Response(name)

    app.post("/{name}")(taker.take)
    install_problems(app)
    app.add_middleware(FaultMiddleware)
    app.add_middleware(ExchangeMiddleware, metrics=Metrics())
    server = HttpServer(app, Health({}), Ending(), drain_seconds=0, grace_seconds=2, protocol=Hasty)
    serving = asyncio.create_task(server.serve(listener))
    yield taker
    taker.go_on.set()
    server.stop()
    await serving


def told(answer: Answer) -> Any:
    assert answer.status == 200
    return json.loads(answer.body)


def expected(body: bytes = BODY, *, past: bool = True) -> Any:
    return {"sha256": hashlib.sha256(body).hexdigest(), "past": past}


async def test_the_body_comes_whole_and_the_connection_serves_the_next_request(
    taker: Taker,
) -> None:
    async with Connection.to(taker.port) as connection:
        for _ in range(3):
            await connection.send(post(BODY, path=b"/a"))
            answer = await connection.answer()
            assert told(answer) == expected()
            assert "connection" not in answer.headers
        await connection.send(get(b"/next"))
        assert (await connection.answer()).body == b"next"
    assert max(taker.pieces) <= 2 * BUFFER_BYTES


@pytest.mark.parametrize("cut", [1, 100, 65_536, len(BODY) - 1])
async def test_what_came_before_belongs_to_it(taker: Taker, cut: int) -> None:
    request = post(BODY, path=b"/a")
    head = len(request) - len(BODY)
    async with Connection.to(taker.port) as connection:
        await connection.send(request[: head + cut], request[head + cut :])
        assert told(await connection.answer())["sha256"] == expected()["sha256"]


async def test_requests_behind_it_are_not_swallowed(taker: Taker) -> None:
    async with Connection.to(taker.port) as connection:
        behind = get(b"/one") + post(b"{}", path=b"/two") + get(b"/three")
        sending = asyncio.create_task(connection.send(post(BODY, path=b"/a") + behind))
        assert told(await connection.answer()) == expected()
        assert (await connection.answer()).body == b"one"
        assert told(await connection.answer()) == expected(b"{}", past=False)
        assert (await connection.answer()).body == b"three"
        await sending


async def test_a_body_behind_another_request_comes_whole(taker: Taker) -> None:
    async with Connection.to(taker.port) as connection:
        sending = asyncio.create_task(connection.send(get(b"/one") + post(BODY, path=b"/a")))
        assert (await connection.answer()).body == b"one"
        assert told(await connection.answer()) == expected()
        await sending


async def test_chunks_are_left_to_the_server(taker: Taker) -> None:
    head = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with Connection.to(taker.port) as connection:
        await connection.send(head, b"%x\r\n%s\r\n" % (len(BODY), BODY), b"0\r\n\r\n")
        assert told(await connection.answer()) == expected(past=False)


async def test_whoever_waits_for_100_continue_is_told_by_the_server(taker: Taker) -> None:
    request = post(BODY, b"Expect: 100-continue\r\n", b"/a")
    head = len(request) - len(BODY)
    async with Connection.to(taker.port) as connection:
        await connection.send(request[:head])
        assert (await connection.answer()).status == 100
        await connection.send(request[head:])
        assert told(await connection.answer()) == expected(past=False)


async def test_a_refusal_halfway_is_told_and_what_is_left_is_not_taken_for_a_request(
    taker: Taker,
) -> None:
    async with Connection.to(taker.port) as connection:
        sending = asyncio.create_task(
            connection.send(post(BODY, path=b"/refuse") + get(b"/never-asked"))
        )
        (await connection.answer()).assert_problem(413, "body-too-large")
        await connection.closed()
        await sending


async def test_a_refusal_of_a_body_that_was_read_keeps_the_connection(taker: Taker) -> None:
    async with Connection.to(taker.port) as connection:
        sending = asyncio.create_task(
            connection.send(post(BODY, path=b"/refuse-all") + get(b"/next"))
        )
        refusal = await connection.answer()
        assert refusal.status == 413
        assert "connection" not in refusal.headers
        assert (await connection.answer()).body == b"next"
        await sending


@pytest.mark.parametrize("sent", [0, 10, 1_000_000])
async def test_a_client_that_leaves_is_gone(
    taker: Taker, sent: int, caplog: pytest.LogCaptureFixture
) -> None:
    request = post(BODY, path=b"/a")
    head = len(request) - len(BODY)
    async with Connection.to(taker.port) as connection:
        await connection.send(request[: head + sent])
        await eventually(lambda: taker.body is not None)
    await eventually(lambda: taker.gone == ["ClientDisconnect"])
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_body_that_stalls_ends_as_a_client_that_went_away(taker: Taker) -> None:
    async with Connection.to(taker.port) as connection:
        await connection.send(post(BODY, path=b"/a")[:-1])
        await connection.closed()
    assert taker.gone == ["ClientDisconnect"]


async def test_something_comes_again_and_again_while_the_client_is_silent(
    taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_body, "SILENCE_SECONDS", 0.02)
    request = post(BODY, path=b"/a")
    async with Connection.to(taker.port) as connection:
        await connection.send(request[:-10])
        await eventually(lambda: sum(taker.pieces) > len(BODY) - 4500)
        for _ in range(5):
            before = len(taker.pieces)
            await eventually(lambda: len(taker.pieces) > before)  # noqa: B023 - waited for here
        await connection.send(request[-10:])
        assert told(await connection.answer()) == expected()


def test_the_first_byte_after_a_silence_with_nothing_to_give_is_given_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket_body, "SILENCE_SECONDS", 1.0)
    client, server = socket.socketpair()
    server.setblocking(False)
    with client, server:
        speaking = threading.Timer(1.1, client.send, [b"x"])
        speaking.start()
        began = time.monotonic()
        assert bytes(next(iter(SocketBody(server, b"", 2, stall_seconds=30)))) == b"x"
        assert time.monotonic() - began < 1.9
        speaking.join()


async def test_the_reading_can_be_ended_from_another_thread(taker: Taker) -> None:
    async with Connection.to(taker.port) as connection:
        await connection.send(post(BODY, path=b"/a")[:-1])
        await eventually(lambda: taker.body is not None)
        assert taker.body is not None
        taker.body.cancel()
        await connection.closed()
    assert taker.gone == ["ClientDisconnect"]


async def test_a_thread_that_is_slow_to_read_makes_the_client_wait_and_no_timer_runs_out(
    taker: Taker,
) -> None:
    async with Connection.to(taker.port) as connection:
        sending = asyncio.create_task(connection.send(post(BODY, path=b"/wait")))
        await eventually(lambda: taker.waits)
        await asyncio.sleep(2 * Hasty.stall_seconds)
        taker.go_on.set()
        assert told(await connection.answer()) == expected()
        await sending
