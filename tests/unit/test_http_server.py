"""The whole stack on a socket: when a body is asked for, and how an answer ends that cannot."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from fastapi import Request
from starlette.responses import Response, StreamingResponse

from sangraha.ending import Ending
from sangraha.errors import BodyTooLarge, StoreUnavailable
from sangraha.http.app import Endpoint, create_app
from sangraha.http.bodies import bounded_chunks
from sangraha.http.names import name_of
from sangraha.http.server import HttpServer, listening_socket
from sangraha.metrics import Metrics
from tests.acceptance.wire import Answer, Connection, get
from tests.unit.any_service import AnyService
from tests.waiting import eventually

PATH = b"/buckets/default/objects/"
HUGE = 5 * 1024**4


@dataclass
class Stage:
    """A server whose one object is whatever its name says."""

    port: int = 0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None
    read: int = 0

    async def put(self, request: Request) -> Response:
        name = name_of(request)
        if name == "refused":
            raise BodyTooLarge
        if name == "later":
            await self.go_on.wait()
        async for chunk in bounded_chunks(request, 10**9):
            self.read += len(chunk)
            if name == "halfway":
                raise BodyTooLarge
        return Response(str(self.read))

    async def get(self, request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"12345"
            await self.go_on.wait()
            if self.error is not None:
                raise self.error
            yield b"67890"

        headers = {"Content-Length": "10"} if name_of(request) == "sized" else {}
        return StreamingResponse(chunks(), headers=headers)

    async def head(self, request: Request) -> Response:
        return Response(headers={"Content-Length": str(HUGE)})


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    answers = {200: "Fine"}
    getter = AnyService(
        "getter", get_named=Endpoint(stage.get, answers), head_named=Endpoint(stage.head, answers)
    )
    receiver = AnyService("receiver", put_object=Endpoint(stage.put, answers))
    app, health = create_app([getter, receiver], Metrics())
    listener = listening_socket("127.0.0.1", 0)
    stage.port = listener.getsockname()[1]
    server = HttpServer(app, health, Ending(), drain_seconds=0, grace_seconds=5)
    serving = asyncio.create_task(server.serve(listener))
    yield stage
    stage.go_on.set()
    server.stop()
    await serving


def put(name: bytes, size: int, headers: bytes = b"") -> bytes:
    """The head of a request whose body is to follow."""
    head = b"PUT %s%s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%s\r\n"
    return head % (PATH, name, size, headers)


EXPECT = b"Expect: 100-continue\r\n"


async def test_a_body_is_asked_for_when_it_is_first_read_and_not_before(stage: Stage) -> None:
    async with Connection.to(stage.port) as connection:
        await connection.send(put(b"later", 5, EXPECT))
        first = asyncio.create_task(connection.answer())
        done, _ = await asyncio.wait({first}, timeout=0.1)
        assert not done
        stage.go_on.set()
        assert (await first).status == 100
        await connection.send(b"12345")
        answer = await connection.answer()
        assert (answer.status, answer.body) == (200, b"5")
        # And the connection goes on.
        await connection.send(put(b"kept", 2) + b"67")
        assert (await connection.answer()).body == b"7"


async def test_a_body_that_is_refused_is_never_asked_for(stage: Stage) -> None:
    async with Connection.to(stage.port) as connection:
        await connection.send(put(b"refused", HUGE, EXPECT))
        (await connection.answer()).assert_problem(413, "body-too-large")
    assert stage.read == 0


async def test_a_client_that_knows_no_interim_answers_gets_none(stage: Stage) -> None:
    async with Connection.to(stage.port) as connection:
        await connection.send(put(b"kept", 5, EXPECT).replace(b"/1.1", b"/1.0") + b"12345")
        assert (await connection.answer()).body == b"5"
        await connection.closed()


async def test_a_client_that_does_not_wait_for_leave_sees_the_refusal_too(stage: Stage) -> None:
    async with Connection.to(stage.port) as connection:
        packets = [put(b"refused", HUGE, EXPECT), *1000 * [bytes(10_000)]]
        sending = asyncio.create_task(connection.send(*packets))
        (await connection.answer()).assert_problem(413, "body-too-large")
        await sending
    assert stage.read == 0


async def test_a_body_that_is_refused_halfway_is_taken_in_so_that_the_refusal_arrives(
    stage: Stage,
) -> None:
    size = 20_000_000
    async with Connection.to(stage.port) as connection:
        await connection.send(put(b"halfway", size, EXPECT))
        assert (await connection.answer()).status == 100
        sending = asyncio.create_task(connection.send(bytes(size)))
        (await connection.answer()).assert_problem(413, "body-too-large")
        await sending
        await connection.closed()
    assert 0 < stage.read < size


@pytest.mark.parametrize("name", [b"sized", b"chunked"])
@pytest.mark.parametrize("error", [ValueError("a mistake"), StoreUnavailable("it went away")])
async def test_an_answer_that_breaks_off_ends_the_connection_and_is_logged_once(
    stage: Stage, name: bytes, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    stage.error = error
    async with Connection.to(stage.port) as connection:
        await connection.send(get(PATH + name))
        head = await connection.answer(has_body=False)
        assert head.status == 200
        stage.go_on.set()
        rest = await connection.rest()
    # Neither all that was announced, nor a last chunk.
    assert rest == (b"12345" if name == b"sized" else b"5\r\n12345\r\n")
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.name for record in errors] == ["sangraha.http.faults"]
    assert PATH.decode() in errors[0].getMessage()
    assert str(error) in caplog.text


async def test_a_client_that_goes_away_amid_an_answer_is_no_error(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with Connection.to(stage.port) as connection:
        await connection.send(get(PATH + b"chunked"))
        assert (await connection.answer(has_body=False)).status == 200
    await eventually(lambda: "get_named" in {getattr(r, "route", "") for r in caplog.records})
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_head_tells_the_length_of_what_it_does_not_send(stage: Stage) -> None:
    request = b"HEAD %sa HTTP/1.1\r\nHost: a\r\n\r\n" % PATH
    async with Connection.to(stage.port) as connection:
        for _ in range(2):
            await connection.send(request)
            answer: Answer = await connection.answer(has_body=False)
            assert (answer.status, answer.headers["content-length"]) == (200, str(HUGE))
