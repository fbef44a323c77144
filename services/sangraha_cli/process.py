"""The life of one process: start parts and services, serve, and end in phases.

The phases: unready; finish requests in flight; stop taking from the queues; finish and settle
what was taken; close.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from sangraha.errors import Unavailable
from sangraha.http.admission import Limits
from sangraha.http.app import create_app
from sangraha.http.health import Health
from sangraha.http.server import HttpServer, listening_socket
from sangraha.settings import Settings
from sangraha_cli.compose import Composition

logger = logging.getLogger(__name__)

_READY_POLL_SECONDS: Final = 0.02
_LEAST_DRAIN_SECONDS: Final = 5.0


async def run_process(
    settings: Settings, composition: Composition, on_ready: Callable[[str], None]
) -> None:
    """Run these services until a signal; `on_ready` is called with the address once they work.

    Raises InvalidConfiguration where they cannot ever work as configured.
    """
    limits = Limits(
        writes=settings.writes_in_flight,
        write_bytes=settings.write_bytes_in_flight,
        raw_body_bytes=settings.inline_body_bytes,
        reads=settings.reads_in_flight,
    )
    app, health = create_app(
        composition.services, composition.metrics, settings.cors_origins, limits
    )
    server = HttpServer(
        app,
        health,
        composition.ending,
        drain_seconds=settings.drain_seconds,
        grace_seconds=settings.shutdown_grace_seconds,
    )
    with _signals(server.stop):
        try:
            # Before the address is taken: a folder in use is the better thing to be told.
            await composition.parts.start()
            with listening_socket(settings.host, settings.port) as listener:
                host, port = listener.getsockname()[:2]
                address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
                for service in composition.services:
                    await service.start()
                watcher = asyncio.create_task(_watch(composition, health, address, on_ready))
                # What can never work ends the process, and does not leave it unready for ever.
                watcher.add_done_callback(lambda task: server.stop() if _failed(task) else None)
                await server.serve(listener)
            await _drain(composition, settings.shutdown_grace_seconds)
            if watcher.done():
                watcher.result()
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        finally:
            await composition.parts.close()
            logger.info("stopped")


async def _drain(composition: Composition, grace_seconds: float) -> None:
    """Finish and settle, unless there is no time for that any more."""
    ending = composition.ending
    timeout_seconds = _LEAST_DRAIN_SECONDS if ending.soon.is_set() else grace_seconds
    for service in composition.services:
        draining = asyncio.create_task(service.drain(timeout_seconds))
        hurry = asyncio.create_task(ending.now.wait())
        await asyncio.wait({draining, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not draining.done():
            draining.cancel()
        results = await asyncio.gather(draining, return_exceptions=True)
        if isinstance(results[0], Exception):
            logger.error("could not finish in order", exc_info=results[0])


async def _watch(
    composition: Composition, health: Health, address: str, on_ready: Callable[[str], None]
) -> None:
    for service in composition.services:
        await service.started()
    await composition.parts.wait_started()
    while not await health.ready():
        try:
            await composition.parts.broker.wait_ready(1)
        except Unavailable as error:
            logger.debug("not ready yet: %s", error)
        await asyncio.sleep(_READY_POLL_SECONDS)
    logger.info("ready at %s", address)
    on_ready(address)


def _failed(task: "asyncio.Task[None]") -> bool:
    return not task.cancelled() and task.exception() is not None


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
