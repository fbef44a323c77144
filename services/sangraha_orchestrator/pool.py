"""Deliveries become tasks the application owns: bounded, counted, and finished before the end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from sangraha.broker.protocol import Broker, Consumer, Delivery
from sangraha.metrics import Metrics

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0


class Pool:
    """Works on the deliveries of one queue, `concurrency` of them at a time.

    None is taken before there is a place for it: a delivery that waits for one held before it
    would be unsettled for longer than a broker allows. Those whose connection was lost may still
    be at work when they are delivered again; the later ones then wait for their places.
    """

    def __init__(
        self,
        broker: Broker,
        queue: str,
        handle: Callable[[Delivery], Awaitable[None]],
        concurrency: int,
        metrics: Metrics,
    ) -> None:
        self.queue = queue
        self.done = 0
        self._broker = broker
        self._handle = handle
        self._concurrency = concurrency
        self._places = asyncio.Semaphore(concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self._consumer: Consumer | None = None
        self._metrics = metrics

    @property
    def in_flight(self) -> int:
        """Deliveries that were taken and are not settled."""
        return len(self._tasks)

    async def start(self) -> None:
        """Subscribe; may be called again after `stop_taking`."""
        if self._consumer is None:
            self._consumer = await self._broker.consume(
                self.queue, self._accept, prefetch=self._concurrency
            )

    async def stop_taking(self) -> None:
        """Take nothing new."""
        if self._consumer is not None:
            await self._consumer.cancel()
            self._consumer = None

    async def finish(self, timeout_seconds: float) -> None:
        """Wait until everything taken is settled; past the time give the rest up.

        What is given up stays unsettled and is delivered again.
        """
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=timeout_seconds)
        for task in late:
            task.cancel()
        if late:
            logger.warning("%d groups of %s were not finished in time", len(late), self.queue)
            await asyncio.wait(late)

    def _accept(self, delivery: Delivery) -> None:
        task = asyncio.get_running_loop().create_task(self._work(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, delivery: Delivery) -> None:
        async with self._places:
            if delivery.lost:
                return
            if delivery.redeliveries:
                self._metrics.redeliveries.labels(self.queue).inc()
            with self._metrics.in_flight.labels(self.queue).track_inprogress():
                try:
                    await self._handle(delivery)
                except Exception:
                    logger.exception("a group of %s failed; it is given back", self.queue)
                    await asyncio.sleep(pause_seconds(delivery.redeliveries))
                    await delivery.release()
            self.done += 1


def pause_seconds(redeliveries: int) -> float:
    """How long to wait before giving back what failed unexpectedly: it may come back at once."""
    return float(min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(redeliveries, 10)))
