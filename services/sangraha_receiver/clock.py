"""This machine's clock against the catalog's: ids carry the time, and versions go by it."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from sangraha.catalog.catalog import Catalog
from sangraha.errors import CatalogUnavailable, Unavailable

MAX_DIFFERENCE_SECONDS: Final = 2.0
"""A write that seems older than this goes underneath what is there."""
_REMEMBERED_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 1.0


class Clock:
    """Asks the catalog what time it is, now and then. While it is away, the last answer counts."""

    def __init__(
        self, catalog: Catalog, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._catalog = catalog
        self._now = now
        self._asked_at = float("-inf")
        self._difference = timedelta(0)

    async def check(self) -> None:
        """Raises Unavailable where the clocks differ by more than MAX_DIFFERENCE_SECONDS."""
        if time.monotonic() - self._asked_at >= _REMEMBERED_SECONDS:
            await self._ask()
        difference = self._difference.total_seconds()
        if abs(difference) > MAX_DIFFERENCE_SECONDS:
            direction = "ahead of" if difference > 0 else "behind"
            raise Unavailable(
                f"the clock is {abs(difference):.1f} s {direction} the catalog's: set it right"
            )

    async def _ask(self) -> None:
        asked_at = self._now()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                theirs = await self._catalog.now()
        except (CatalogUnavailable, TimeoutError):
            return
        answered_at = self._now()
        self._asked_at = time.monotonic()
        # They looked at theirs at some time in between: within that, nothing differs.
        if theirs < asked_at:
            self._difference = asked_at - theirs
        else:
            self._difference = min(answered_at - theirs, timedelta(0))
