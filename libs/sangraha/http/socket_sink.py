"""Where a thread sends the content of an answer: into the connection itself."""

import select
import socket
from contextlib import suppress

from starlette.requests import ClientDisconnect


class SocketSink:
    """Has sent `sent` bytes. A client that takes none for `stall_seconds` is taken for gone;
    `is_broken` says that no more will arrive.
    """

    def __init__(self, connection: socket.socket, *, stall_seconds: float) -> None:
        self.sent = 0
        self.is_broken = False
        self._connection = connection
        self._stall_seconds = stall_seconds
        self._writable = select.poll()
        self._writable.register(connection, select.POLLOUT)

    def __call__(self, piece: bytes) -> None:
        """Send all of it. Raises ClientDisconnect."""
        view = memoryview(piece)
        while view:
            sent = self._send(view)
            self.sent += sent
            view = view[sent:]

    def cancel(self) -> None:
        """End the sending, from any thread: it raises ClientDisconnect."""
        self.is_broken = True
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection, after the sending has ended."""
        self._connection.close()

    def _send(self, view: memoryview) -> int:
        try:
            return self._connection.send(view)
        except BlockingIOError:
            if self._writable.poll(self._stall_seconds * 1000) and not self.is_broken:
                return 0
        except OSError:
            pass
        self.is_broken = True
        raise ClientDisconnect
