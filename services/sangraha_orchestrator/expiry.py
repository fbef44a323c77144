"""Forgets idempotency keys that are old enough, in the background."""

import asyncio
import logging
from typing import Final

from sangraha.catalog.catalog import Catalog
from sangraha.errors import CatalogUnavailable

logger = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 600.0
_AT_A_TIME: Final = 1000


class Expiry:
    """Looks for old keys until it is cancelled; any number of them may do so at once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def run(self) -> None:
        """Forget what is old now, and look again every ten minutes."""
        while True:
            if not await self._step():
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _step(self) -> bool:
        """Whether there may be more to forget."""
        try:
            return await self._catalog.forget_idempotency_keys(_AT_A_TIME) == _AT_A_TIME
        except CatalogUnavailable as error:
            logger.warning("old idempotency keys have to wait: %s", error)
        except Exception:
            # Whatever it is, it must not keep all keys to come.
            logger.exception("forgetting idempotency keys failed")
        return False
