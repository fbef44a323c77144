"""Holding work while the store or the catalog is away: try again, with growing pauses.

What is held stays unacknowledged: requeueing would cost deliveries and multiply the work when
things are worst. Past the limit, or at shutdown, the caller gives it back to the queue.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    wait_random_exponential,
)

from sangraha.broker.protocol import Delivery
from sangraha.errors import Unavailable
from sangraha.metrics import Metrics

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 2.0


class Hold:
    """All that is held in this process. Each delivery is held for at most `seconds` in all."""

    def __init__(self, seconds: float, metrics: Metrics) -> None:
        self.seconds = seconds
        self.metrics = metrics
        self.released = False
        self._held: set[Patience] = set()
        self._began = asyncio.Event()
        self._ended = asyncio.Event()

    def of(self, delivery: Delivery) -> "Patience":
        """The patience with this delivery, from now on."""
        return Patience(self, delivery)

    def release_all(self) -> None:
        """From now on an attempt that fails is the last one."""
        self.released = True

    async def began(self) -> None:
        """Return once anything is held."""
        await self._began.wait()

    async def ended(self) -> None:
        """Return once nothing is held."""
        await self._ended.wait()

    def add(self, patience: "Patience") -> None:
        """This delivery's last attempt failed."""
        self._held.add(patience)
        self._ended.clear()
        self._began.set()

    def discard(self, patience: "Patience") -> None:
        """This delivery is not held any more."""
        self._held.discard(patience)
        if not self._held:
            self._began.clear()
            self._ended.set()


class Patience:
    """Repeats attempts for one delivery while they raise Unavailable, all before one deadline."""

    def __init__(self, hold: Hold, delivery: Delivery) -> None:
        self._hold = hold
        self._delivery = delivery
        self._deadline = asyncio.get_running_loop().time() + hold.seconds

    async def until_done(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The attempt's result.

        Raises the last Unavailable past the deadline, once all are released, or where the
        delivery is lost; and any other error at once.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Unavailable),
            wait=wait_random_exponential(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS),
            stop=self._is_over,
            before_sleep=self._note,
            reraise=True,
        )

        async def attempted() -> T:
            # The library awaits only what it sees to be a coroutine function.
            return await attempt()

        try:
            return await retrying(attempted)
        finally:
            self._hold.discard(self)

    def _is_over(self, _: RetryCallState) -> bool:
        late = asyncio.get_running_loop().time() >= self._deadline
        return late or self._hold.released or self._delivery.lost

    def _note(self, state: RetryCallState) -> None:
        self._hold.add(self)
        error = state.outcome.exception() if state.outcome else None
        slug = error.slug if isinstance(error, Unavailable) else "unavailable"
        self._hold.metrics.holds.labels(slug).inc()
        if state.attempt_number == 1:
            logger.warning("held: %s", error)
