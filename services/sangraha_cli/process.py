"""The life of one process: start parts and services, serve, and end in phases.

The phases: unready; finish requests in flight; stop taking from the queues; finish and settle
what was taken; close.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from sangraha.errors import InvalidConfiguration
from sangraha.http.app import create_app
from sangraha.http.health import Health
from sangraha.http.server import HttpServer, listening_socket
from sangraha.settings import Settings
from sangraha_cli.compose import Composition

logger = logging.getLogger(__name__)

_READY_POLL_SECONDS: Final = 0.02


async def run_process(
    settings: Settings, composition: Composition, on_ready: Callable[[str], None]
) -> None:
    """Run these services until a signal; `on_ready` is called with the address once they work.

    Raises InvalidConfiguration where they cannot ever work as configured.
    """
    app, health = create_app(composition.services, composition.metrics)
    server = HttpServer(
        app,
        health,
        drain_seconds=settings.drain_seconds,
        grace_seconds=settings.shutdown_grace_seconds,
    )
    listener = listening_socket(settings.host, settings.port)
    watcher: asyncio.Task[None] | None = None
    try:
        await composition.parts.start()
        for service in composition.services:
            await service.start()
        host, port = listener.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        watcher = asyncio.create_task(_watch(composition, health, address, on_ready))
        # What can never work ends the process instead of leaving it unready for ever.
        watcher.add_done_callback(lambda task: server.stop() if _failed(task) else None)
        await server.serve(listener)
        for service in composition.services:
            await service.drain(settings.shutdown_grace_seconds)
    finally:
        listener.close()
        if watcher is not None:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        await composition.parts.close()
        logger.info("stopped")
    if watcher is not None and not watcher.cancelled() and (error := watcher.exception()):
        raise error


async def _watch(
    composition: Composition, health: Health, address: str, on_ready: Callable[[str], None]
) -> None:
    await composition.parts.wait_started()
    while not await health.ready():
        try:
            await composition.parts.broker.wait_ready(1)
        except InvalidConfiguration:
            raise
        except Exception as error:
            logger.debug("not ready yet: %s", error)
        await asyncio.sleep(_READY_POLL_SECONDS)
    logger.info("ready at %s", address)
    on_ready(address)


def _failed(task: "asyncio.Task[None]") -> bool:
    return not task.cancelled() and task.exception() is not None
