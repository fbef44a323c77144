"""Where a thread puts an answer's content: nothing is sent once the sending was ended."""

import asyncio
import socket

import pytest
from starlette.requests import ClientDisconnect

from sangraha.http.socket_sink import SocketSink
from sangraha_getter.outlet import Outlet


class Late(Outlet):
    """It is cancelled when the event loop has begun, and the thread does not know yet."""

    def _begun(self) -> SocketSink:
        sink = super()._begun()
        self.cancel()
        return sink


async def test_what_is_cancelled_as_it_begins_sends_nothing() -> None:
    client, server = socket.socketpair()
    with client, server:

        async def begin() -> SocketSink:
            return SocketSink(server, stall_seconds=5)

        with pytest.raises(ClientDisconnect):
            await asyncio.to_thread(Late(begin), b"x")
        assert client.recv(1) == b""
