"""What an orchestrator does besides its requests: it sweeps the store, empties buckets, and forgets
idempotency keys.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from sangraha.catalog.catalog import Catalog
from sangraha.errors import InvalidConfiguration, Unavailable
from sangraha.metrics import Metrics
from sangraha.settings import Settings
from sangraha.store.protocol import Store
from sangraha_orchestrator.expiry import Expiry
from sangraha_orchestrator.purge import Purger
from sangraha_orchestrator.sweep import Sweeper

logger = logging.getLogger(__name__)

_JITTER: Final = 0.2
"""Orchestrators that were started together do not sweep at the same moment for ever."""
_CLAIM_PAUSE_SECONDS: Final = 5.0


class Housekeeping:
    """Runs from `start` to `stop`. Any number of orchestrators may keep house at once."""

    def __init__(
        self, store: Store, catalog: Catalog, settings: Settings, metrics: Metrics
    ) -> None:
        self._sweeper = Sweeper(store, catalog, settings, metrics)
        self._purger = Purger(catalog)
        self._expiry = Expiry(catalog)
        self._interval_seconds = settings.sweep_interval_seconds
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin. Store and catalog were reached once."""
        self._tasks = [
            asyncio.create_task(self._purger.run()),
            asyncio.create_task(self._expiry.run()),
            asyncio.create_task(self._sweep_for_ever()),
        ]

    async def stop(self) -> None:
        """Stop at once; what is half done, the next one finishes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _sweep_for_ever(self) -> None:
        try:
            while not await _tried(self._sweeper.claim):  # noqa: ASYNC110 - nothing tells when
                await asyncio.sleep(_CLAIM_PAUSE_SECONDS)
            while self._interval_seconds:
                spread = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
                await asyncio.sleep(self._interval_seconds * spread)
                await _tried(self._sweep)
        except InvalidConfiguration as error:
            logger.error("this process never sweeps: %s", error)

    async def _sweep(self) -> None:
        swept = await self._sweeper.sweep()
        logger.info("swept", extra=msgspec.structs.asdict(swept))


async def _tried(work: Callable[[], Awaitable[None]]) -> bool:
    """Whether it was done; if not, it may be tried again. Raises InvalidConfiguration."""
    try:
        await work()
    except InvalidConfiguration:
        raise
    except Unavailable as error:
        logger.warning("the sweep has to wait: %s", error)
        return False
    except Exception:
        # Whatever it is, it must not end all sweeps to come.
        logger.exception("the sweep failed")
        return False
    return True
