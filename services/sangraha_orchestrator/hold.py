"""Holding work while the store or the catalog is away: try again, with growing pauses.

What is held stays unacknowledged: requeueing would cost deliveries and multiply the work when
things are worst. Past the limit, or at shutdown, the caller gives it back to the queue.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from sangraha.errors import Unavailable
from sangraha.metrics import Metrics

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 2.0


class Hold:
    """Repeats an attempt while it raises Unavailable, for at most `seconds`."""

    def __init__(self, seconds: float, metrics: Metrics) -> None:
        self._seconds = seconds
        self._metrics = metrics
        self._released = False

    def release_all(self) -> None:
        """From now on an attempt that fails is the last one."""
        self._released = True

    async def until_done(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The attempt's result.

        Raises the last Unavailable past the limit, and any other error at once.
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

        return await retrying(attempted)

    def _is_over(self, state: RetryCallState) -> bool:
        return self._released or stop_after_delay(self._seconds)(state)

    def _note(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        slug = error.slug if isinstance(error, Unavailable) else "unavailable"
        self._metrics.holds.labels(slug).inc()
        logger.warning("held, attempt %d failed: %s", state.attempt_number, error)
