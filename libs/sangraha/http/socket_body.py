"""What is left of a request's body, received by a thread from the connection itself."""

import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from starlette.requests import ClientDisconnect

SILENCE_SECONDS: Final = 4.0
"""Whoever takes a body has something of it at least as often, unless nothing is left to give."""
BUFFER_BYTES: Final = 256 * 1024
_KEPT: Final = 4096


class SocketBody:
    """The bytes that came already, `start`, and the `left` ones that did not. To be read once.

    A client may be silent for `stall_seconds`. `is_broken` says that what is left will not come.
    """

    def __init__(
        self, connection: socket.socket, start: bytes, left: int, *, stall_seconds: float
    ) -> None:
        self.left = left
        self.is_broken = False
        self._connection = connection
        self._start = start
        self._stall_seconds = stall_seconds
        self._readable = select.poll()
        self._readable.register(connection, select.POLLIN)

    def __iter__(self) -> Iterator[memoryview]:
        """In pieces that are good until the next one is asked for. A little is kept for times when
        nothing comes. Raises ClientDisconnect where the client leaves or stalls.
        """
        there = len(self._start)
        buffer = memoryview(bytearray(there + BUFFER_BYTES))
        buffer[:there] = self._start
        self._start = b""
        last_came = last_given = time.monotonic()
        while self.left:
            if came := self._receive(buffer[there:]):
                last_came = time.monotonic()
                self.left -= came
                there += came
                if not self.left:
                    break
                # What comes after a silence in which there was nothing to give is late already.
                is_late = last_came - last_given >= SILENCE_SECONDS
                kept = there // 2 if is_late else min(_KEPT, there)
            elif time.monotonic() - last_came < self._stall_seconds:
                kept = there // 2
            else:
                raise self._broken()
            if given := there - kept:
                yield buffer[:given]
                last_given = time.monotonic()
                buffer[:kept] = buffer[given:there]
                there = kept
        yield buffer[:there]

    def cancel(self) -> None:
        """End the reading, from any thread: it raises ClientDisconnect."""
        self.is_broken = True
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Let go of the connection, after the reading has ended."""
        self._connection.close()

    def _receive(self, buffer: memoryview) -> int:
        """How many bytes came; 0 where none did for a while."""
        try:
            came = self._connection.recv_into(buffer[: self.left])
        except BlockingIOError:
            wait_seconds = min(SILENCE_SECONDS, self._stall_seconds)
            return self._receive(buffer) if self._readable.poll(wait_seconds * 1000) else 0
        except OSError:
            raise self._broken() from None
        if not came or self.is_broken:
            raise self._broken()
        return came

    def _broken(self) -> ClientDisconnect:
        self.is_broken = True
        return ClientDisconnect()
