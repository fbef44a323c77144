"""HTTP as bytes on a socket, for what no HTTP client can be made to send."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def assert_problem(self, status: int, slug: str) -> None:
        assert self.status == status
        assert self.headers["content-type"] == "application/problem+json"
        assert self.headers["connection"] == "close"
        assert json.loads(self.body)["type"] == f"/problems/{slug}"


class Connection:
    """One TCP connection that sends what it is told, byte for byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int) -> AsyncIterator[Self]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()

    async def send(self, *packets: bytes) -> None:
        for packet in packets:
            self._writer.write(packet)
            await self._writer.drain()
            # A turn of the loop apart, and without Nagle: they are read apart.
            await asyncio.sleep(0.001 if len(packets) > 1 else 0)

    async def answer(self, *, has_body: bool = True) -> Answer:
        async with asyncio.timeout(20):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, value in (x.split(": ", 1) for x in lines)}
            size = int(headers.get("content-length", 0)) if has_body else 0
            return Answer(int(status.split()[1]), headers, await self._reader.readexactly(size))

    async def rest(self) -> bytes:
        """All that the server says until it ends its side."""
        async with asyncio.timeout(20):
            return await self._reader.read()

    async def closed(self) -> None:
        """Return once the server has ended its side; fails if it says anything more."""
        assert await self.rest() == b""


def post(body: bytes, headers: bytes = b"", path: bytes = b"/objects") -> bytes:
    framing = b"Content-Length: %d\r\n" % len(body)
    return b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n%s%s\r\n%s" % (
        path,
        headers,
        framing,
        body,
    )


def get(path: bytes, headers: bytes = b"") -> bytes:
    return b"GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n" % (path, headers)
