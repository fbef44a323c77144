"""Whether the store answers, asked once a second at most, however many want to know."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from sangraha.errors import StoreUnavailable

REMEMBERED_SECONDS: Final = 1.0


class Reachable:
    """Remembers for a second what `check` said."""

    def __init__(
        self, check: Callable[[], Awaitable[None]], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._check = check
        self._now = now
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._said: str | None = None

    async def require(self) -> None:
        """Raises StoreUnavailable unless the store answers, or did a moment ago."""
        async with self._asking:
            if self._now() - self._asked_at >= REMEMBERED_SECONDS:
                try:
                    await self._check()
                except StoreUnavailable as error:
                    self._said = error.detail
                else:
                    self._said = None
                self._asked_at = self._now()
            if self._said is not None:
                raise StoreUnavailable(self._said)
