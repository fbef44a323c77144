"""A TCP proxy that breaks connections on purpose: cut, half deaf, or frozen.

It knows no protocol; bytes pass in the order they came or not at all.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Self


class TcpProxy:
    """Listens on a free loopback port and forwards to `target_host`:`target_port`.

    It starts with everything flowing; each fault lasts until `restore`.
    """

    def __init__(self, target_host: str, target_port: int) -> None:
        self._target = (target_host, target_port)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._cut = False
        self._swallows_answers = False
        self.asked_bytes = 0
        """How much clients have sent to the server."""
        self._flowing = asyncio.Event()
        self._flowing.set()

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1; known once it was entered."""
        if self._server is None:
            raise RuntimeError("the proxy has not been entered")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def cut(self) -> None:
        """Drop every connection with a reset, and close new ones as soon as they are made."""
        self._cut = True
        for writer in self._writers:
            writer.transport.abort()

    def swallow_answers(self) -> None:
        """Drop what the server sends; what clients send still arrives."""
        self._swallows_answers = True

    def freeze(self) -> None:
        """Hold the bytes of both directions; connections stay open."""
        self._flowing.clear()

    def restore(self) -> None:
        """End every fault. Held bytes are delivered; connections that were cut stay closed."""
        self._cut = False
        self._swallows_answers = False
        self._flowing.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is None:
            return
        self._server.close()
        self.cut()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._connect(reader, writer)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._open(writer):
            if self._cut:
                return
            server_reader, server_writer = await asyncio.open_connection(*self._target)
            async with self._open(server_writer):
                if self._cut:
                    return
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._forward(reader, server_writer, answers=False))
                    both.create_task(self._forward(server_reader, writer, answers=True))

    @contextlib.asynccontextmanager
    async def _open(self, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
        self._writers.add(writer)
        try:
            yield
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self._writers.discard(writer)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        try:
            while chunk := await reader.read(65536):
                self.asked_bytes += 0 if answers else len(chunk)
                await self._flowing.wait()
                if not (answers and self._swallows_answers):
                    writer.write(chunk)
                    await writer.drain()
            await self._flowing.wait()
            writer.write_eof()
        except OSError:
            # One side was reset, so the other is too.
            writer.transport.abort()
