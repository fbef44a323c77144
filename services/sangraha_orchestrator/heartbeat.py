"""The beat by which an orchestrator says that it lives, and what it does."""

import asyncio
import logging
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime

from sangraha.catalog.catalog import Catalog
from sangraha.catalog.worker import WorkerBeat
from sangraha.errors import CatalogUnavailable
from sangraha_orchestrator.pool import Pool

logger = logging.getLogger(__name__)


class Heartbeat:
    """Beats every `seconds` from `start` to `stop`; a missed beat is only logged."""

    def __init__(
        self, catalog: Catalog, worker_id: str, pools: Sequence[Pool], seconds: float
    ) -> None:
        self._catalog = catalog
        self._worker_id = worker_id
        self._pools = pools
        self._seconds = seconds
        self._started_at = datetime.now(UTC)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to beat, the first time at once."""
        self._task = asyncio.create_task(self._beat_for_ever())

    async def stop(self) -> None:
        """The last word: this worker ends on purpose and is not to be shown as lost."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self._catalog.forget_worker(self._worker_id)
        except CatalogUnavailable as error:
            logger.warning("could not sign off: %s", error)

    async def beat(self) -> None:
        """Write one beat. Raises CatalogUnavailable."""
        await self._catalog.beat(
            WorkerBeat(
                worker_id=self._worker_id,
                host=socket.gethostname(),
                pid=os.getpid(),
                started_at=self._started_at,
                in_flight=sum(pool.in_flight for pool in self._pools),
                done=sum(pool.done for pool in self._pools),
            )
        )

    async def _beat_for_ever(self) -> None:
        while True:
            try:
                await self.beat()
            except CatalogUnavailable as error:
                logger.warning("missed a beat: %s", error)
            except Exception:
                # A worker whose beat ended would be shown as lost while it works.
                logger.exception("missed a beat")
            await asyncio.sleep(self._seconds)
