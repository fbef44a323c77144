"""What the services talk to: broker, store and catalog, started in the background.

A service starts while they are away and becomes ready when they come: nobody has to start things
in an order.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from sangraha.broker.protocol import Broker
from sangraha.catalog.catalog import Catalog
from sangraha.errors import (
    CatalogUnavailable,
    InvalidConfiguration,
    StoreUnavailable,
    Unavailable,
)
from sangraha.store.protocol import Store

logger = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 0.5


class Parts:
    """Broker, catalog and store, shared by the services of a process. Closed in the opposite
    order.

    `needs_store` says that one of the services does nothing at all without the store; the others
    only cannot do some of what they are asked.
    """

    def __init__(
        self, broker: Broker, catalog: Catalog, store: Store, *, needs_store: bool
    ) -> None:
        self.broker = broker
        self.catalog = catalog
        self._store = store
        self._needs_store = needs_store
        self._catalog_start: asyncio.Task[None] | None = None
        self._store_start: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to start all of them; returns at once.

        Raises InvalidConfiguration where a folder is in use; the same for parts further away is
        raised by `wait_started`.
        """
        await self.broker.start()
        self._catalog_start = asyncio.create_task(_keep_trying("catalog", self.catalog.start))
        self._store_start = asyncio.create_task(_keep_trying("store", self._store.start))

    async def wait_started(self) -> None:
        """Return once the catalog and, where it is needed, the store were reached. Raises
        InvalidConfiguration for what will never work.
        """
        needed = (self._catalog_start, self._store_start if self._needs_store else None)
        starts = [task for task in needed if task is not None]
        # Waiting for them only: one who stops waiting does not stop the start.
        done, _ = await asyncio.wait(starts, return_when=asyncio.FIRST_EXCEPTION)
        for start in done:
            start.result()

    async def check_broker(self) -> None:
        """Raises BrokerUnavailable unless it can be published to and consumed from."""
        await self.broker.wait_ready(0)

    async def check_catalog(self) -> None:
        """Raises CatalogUnavailable unless it was started and answers."""
        if self._catalog_start is None or not self._catalog_start.done():
            raise CatalogUnavailable("not reached yet")
        await self.catalog.check()

    async def check_store(self) -> None:
        """Raises StoreUnavailable unless it was started and answers."""
        start = self._store_start
        if start is None or not start.done() or start.cancelled():
            raise StoreUnavailable("not reached yet")
        if (error := start.exception()) is not None:
            raise StoreUnavailable(str(error))
        await self._store.check()

    async def close(self) -> None:
        """Close all of them; what is unsettled is delivered again at the next start."""
        for task in (self._catalog_start, self._store_start):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self.broker.close()
        await self._store.close()
        await self.catalog.close()


async def _keep_trying(name: str, start: Callable[[], Awaitable[None]]) -> None:
    complained = False
    while True:
        try:
            await start()
        except Unavailable as error:
            if not complained:
                logger.warning("waiting for the %s: %s", name, error)
                complained = True
            await asyncio.sleep(_PAUSE_SECONDS)
        except InvalidConfiguration as error:
            logger.error("the %s will never work like this: %s", name, error)
            raise
        else:
            if complained:
                logger.info("the %s is there", name)
            return
