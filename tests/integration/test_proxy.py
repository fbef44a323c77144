"""The proxy that breaks connections for other tests, against a server that echoes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.faults.proxy import TcpProxy
from tests.waiting import eventually


class Echo:
    """Sends back what it receives, and remembers it."""

    def __init__(self) -> None:
        self.received = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(1000):
            self.received += chunk
            writer.write(chunk)
        writer.close()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[TcpProxy]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, TcpProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.send = writer.write
        self.end = writer.write_eof
        self._reader = reader
        self._writer = writer

    async def hears(self, text: bytes, within_seconds: float = 5) -> None:
        heard = await asyncio.wait_for(self._reader.readexactly(len(text)), within_seconds)
        assert heard == text

    async def hears_nothing(self, for_seconds: float = 0.2) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self._reader.read(1), for_seconds)

    async def is_closed(self) -> None:
        try:
            assert await asyncio.wait_for(self._reader.read(), 5) == b""
        except ConnectionError:
            return

    def leave(self) -> None:
        self._writer.close()


@pytest.fixture
async def client(proxy: TcpProxy) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_connection("127.0.0.1", proxy.port))
    client.send(b"hello")
    await client.hears(b"hello")
    yield client
    client.leave()


async def test_bytes_pass_both_ways_and_an_end_is_passed_on(
    client: Client, proxy: TcpProxy
) -> None:
    client.send(b"x" * 1_000_000)
    client.end()
    await client.hears(b"x" * 1_000_000)
    await client.is_closed()
    await eventually(lambda: proxy.connections == 0)


async def test_a_cut_closes_connections_old_and_new_until_it_is_restored(
    client: Client, proxy: TcpProxy
) -> None:
    proxy.cut()
    await client.is_closed()
    late = Client(*await asyncio.open_connection("127.0.0.1", proxy.port))
    await late.is_closed()
    late.leave()
    proxy.restore()
    again = Client(*await asyncio.open_connection("127.0.0.1", proxy.port))
    again.send(b"back")
    await again.hears(b"back")
    again.leave()


async def test_swallowed_answers_never_come_though_the_server_got_the_question(
    client: Client, proxy: TcpProxy, echo: Echo
) -> None:
    proxy.swallow_answers()
    client.send(b"lost")
    await eventually(lambda: echo.received.endswith(b"lost"))
    await client.hears_nothing()
    proxy.restore()
    client.send(b"found")
    await client.hears(b"found")


async def test_a_frozen_proxy_holds_bytes_and_delivers_them_when_restored(
    client: Client, proxy: TcpProxy, echo: Echo
) -> None:
    proxy.freeze()
    client.send(b"held")
    await client.hears_nothing()
    assert not echo.received.endswith(b"held")
    proxy.restore()
    await client.hears(b"held")
