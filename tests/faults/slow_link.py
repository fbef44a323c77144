"""A TCP link that is slow and otherwise well."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

_AT_A_TIME = 32 * 1024


@contextlib.asynccontextmanager
async def slow_link(port: int, bytes_per_second: int) -> AsyncIterator[int]:
    """A port on 127.0.0.1 that leads to `port`; each connection and direction has this rate."""
    # A large buffer of the kernel would take the bytes at once.
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _AT_A_TIME)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_AT_A_TIME):
            await asyncio.sleep(len(chunk) / bytes_per_second)
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        both = contextlib.closing(writer), contextlib.closing(far_writer)
        with both[0], both[1], contextlib.suppress(OSError):
            await asyncio.gather(forward(reader, far_writer), forward(far_reader, writer))

    async with await asyncio.start_server(accept, sock=listener, limit=_AT_A_TIME):
        yield listener.getsockname()[1]
