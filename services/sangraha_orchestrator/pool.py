"""Deliveries become tasks the application owns: bounded, counted, and finished before the end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sangraha.broker.protocol import Broker, Consumer, Delivery
from sangraha.metrics import Metrics

logger = logging.getLogger(__name__)


class Pool:
    """Works on the deliveries of one queue, `concurrency` of them at a time.

    As many again are prefetched, so that no worker waits for the broker.
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
        """Subscribe."""
        self._consumer = await self._broker.consume(
            self.queue, self._accept, prefetch=2 * self._concurrency
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
            if delivery.redeliveries:
                self._metrics.redeliveries.labels(self.queue).inc()
            with self._metrics.in_flight.labels(self.queue).track_inprogress():
                try:
                    await self._handle(delivery)
                except Exception:
                    logger.exception("a group of %s failed; it is given back", self.queue)
                    await delivery.release()
            self.done += 1
