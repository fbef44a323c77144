"""Empties the buckets that are being purged, in the background and a step at a time."""

import asyncio
import logging
from typing import Final

from sangraha.catalog.catalog import Catalog
from sangraha.errors import CatalogUnavailable

logger = logging.getLogger(__name__)

_POLL_SECONDS: Final = 2.0
_AT_A_TIME: Final = 500


class Purger:
    """Looks for purges until it is cancelled; any number of them share the work."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def run(self) -> None:
        """Work on what there is, and look again every other second."""
        while True:
            if not await self._step():
                await asyncio.sleep(_POLL_SECONDS)

    async def _step(self) -> bool:
        """Whether there was something to do."""
        try:
            return await self._catalog.purge_step(_AT_A_TIME)
        except CatalogUnavailable as error:
            logger.warning("a purge has to wait: %s", error)
        except Exception:
            # Whatever it is, it must not end all purges to come.
            logger.exception("a step of a purge failed")
        return False
