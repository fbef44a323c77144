"""Serving HTTP by uvicorn, and ending in phases.

Asked to stop: unready at once; accepting goes on for `drain_seconds`, so that load balancers
notice; then requests in flight are finished. Asked again, it ends without finishing.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from fastapi import FastAPI

from sangraha.ending import Ending
from sangraha.errors import InvalidConfiguration
from sangraha.http.faults import is_unlogged
from sangraha.http.health import Health
from sangraha.http.protocol import HttpProtocol

logger = logging.getLogger(__name__)

ACCEPT_SECONDS: Final = 0.02
FIRST_REQUEST_SECONDS: Final = 0.5
"""How long a fresh connection may take to send its first request while the server ends."""


def listening_socket(host: str, port: int) -> socket.socket:
    """A bound socket. Raises InvalidConfiguration where the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise InvalidConfiguration(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers (ours know the phases), and patient at its end with
    connections that were made a moment ago: they are about to ask.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in sockets or []:
            # From here on at most one can queue up; those who did are accepted below.
            listener.listen(0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_REQUEST_SECONDS):
                await asyncio.sleep(ACCEPT_SECONDS)
                while any(map(_is_fresh, self.server_state.connections)):  # noqa: ASYNC110 - uvicorn tells nobody
                    await asyncio.sleep(ACCEPT_SECONDS)
        await super().shutdown(sockets)


def _is_fresh(connection: object) -> bool:
    return isinstance(connection, HttpProtocol) and connection.cycle is None


class HttpServer:
    """One app on one socket."""

    def __init__(
        self,
        app: FastAPI,
        health: Health,
        ending: Ending,
        *,
        drain_seconds: float,
        grace_seconds: float,
        protocol: type[HttpProtocol] = HttpProtocol,
    ) -> None:
        self._health = health
        self._ending = ending
        self._drain_seconds = drain_seconds
        self._grace_seconds = grace_seconds
        self._stopping: asyncio.Task[None] | None = None
        logging.getLogger("uvicorn.error").addFilter(is_unlogged)
        self._server = _Server(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=max(1, round(grace_seconds)),
            )
        )

    async def serve(self, listener: socket.socket) -> None:
        """Serve until `stop`; returns once requests in flight are finished."""
        try:
            await self._server.serve(sockets=[listener])
        finally:
            if self._stopping is not None:
                self._stopping.cancel()
                await asyncio.gather(self._stopping, return_exceptions=True)

    def stop(self) -> None:
        """Begin the end; called again, do not wait for anything any more."""
        if self._stopping is not None:
            logger.warning("asked again: ending without finishing")
            self._ending.soon.set()
            self._ending.now.set()
            self._server.force_exit = True
            self._server.should_exit = True
            return
        logger.info("stopping: unready from now on")
        self._health.draining = True
        self._stopping = asyncio.get_running_loop().create_task(self._close_later())

    async def _close_later(self) -> None:
        await asyncio.sleep(self._drain_seconds)
        self._server.should_exit = True
        # Half the time for what is nearly done; then whoever still waits is told where to look.
        await asyncio.sleep(self._grace_seconds / 2)
        self._ending.soon.set()
