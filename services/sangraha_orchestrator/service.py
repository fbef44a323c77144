"""The orchestrator: pools on the three queues, its beat and its housekeeping, and the phases of its
life.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from sangraha.broker.topology import DEAD_LETTER_QUEUE, READ_QUEUE, WRITE_QUEUE
from sangraha.content_types import load_libmagic
from sangraha.errors import Unavailable
from sangraha.http.app import Endpoint
from sangraha.http.health import Check
from sangraha.http.routes import Service
from sangraha.metrics import Metrics
from sangraha.parts import Parts
from sangraha.settings import Settings
from sangraha.store.keys import PROBE_KEY
from sangraha.store.protocol import Store
from sangraha_orchestrator.endpoints import orchestrator_endpoints
from sangraha_orchestrator.heartbeat import Heartbeat
from sangraha_orchestrator.hold import Hold
from sangraha_orchestrator.housekeeping import Housekeeping
from sangraha_orchestrator.intake import Intake
from sangraha_orchestrator.mailbox import Mailbox
from sangraha_orchestrator.pool import Pool
from sangraha_orchestrator.reads import ReadWorker
from sangraha_orchestrator.redrive import Redriver
from sangraha_orchestrator.replier import Replier
from sangraha_orchestrator.writes import WriteWorker

logger = logging.getLogger(__name__)

_MAILBOX_CONCURRENCY: Final = 4
_DRAIN_POLL_SECONDS: Final = 0.02


class OrchestratorService:
    """Works while broker, store and catalog do; ready when all three are.

    `sole` says that there is no other worker and never will be (the embedded process): draining
    then finishes what is queued, too, instead of leaving it to others.
    """

    name: Service = "orchestrator"

    def __init__(
        self,
        settings: Settings,
        parts: Parts,
        store: Store,
        metrics: Metrics,
        worker_id: str,
        *,
        sole: bool,
    ) -> None:
        self._settings = settings
        self._parts = parts
        self._sole = sole
        broker, catalog = parts.broker, parts.catalog
        self._hold = Hold(settings.hold_seconds, metrics)
        self._replier = Replier(broker)
        writes = WriteWorker(store, catalog, self._hold, self._replier, metrics)
        reads = ReadWorker(store, catalog, self._replier, metrics)
        mailbox = Mailbox(catalog, self._hold, metrics)
        self._writes, self._reads, self._mailbox = (
            Pool(broker, WRITE_QUEUE.name, writes.handle, settings.write_concurrency, metrics),
            Pool(broker, READ_QUEUE.name, reads.handle, settings.read_concurrency, metrics),
            Pool(broker, DEAD_LETTER_QUEUE.name, mailbox.handle, _MAILBOX_CONCURRENCY, metrics),
        )
        self._redriver = Redriver(
            broker, catalog, metrics, publish_timeout_seconds=settings.publish_timeout_seconds
        )
        self._store = store
        self._intake = Intake((self._writes, self._mailbox), self._hold, self._probe)
        self._heartbeat = Heartbeat(
            catalog, worker_id, (self._writes, self._reads), settings.beat_seconds
        )
        self._housekeeping = Housekeeping(store, catalog, settings, metrics)
        self._starting: asyncio.Task[None] | None = None

    def endpoints(self) -> Mapping[str, Endpoint]:
        """The handlers of the orchestrator's routes."""
        return orchestrator_endpoints(self._settings, self._parts.catalog, self._redriver)

    def checks(self) -> Mapping[str, Check]:
        """What must work for it to be ready."""
        return {
            "broker": self._parts.check_broker,
            "store": self._parts.check_store,
            "catalog": self._parts.check_catalog,
            "workers": self._check_consumes,
        }

    async def start(self) -> None:
        """Begin to consume as soon as store and catalog were reached once."""
        self._starting = asyncio.create_task(self._begin())

    async def started(self) -> None:
        """Return once it consumes; raises what keeps it from that for ever."""
        if self._starting is not None:
            await asyncio.shield(self._starting)

    async def _begin(self) -> None:
        await asyncio.to_thread(load_libmagic)
        await self._parts.wait_started()
        self._heartbeat.start()
        await self._reads.start()
        await self._intake.start()
        self._housekeeping.start()

    async def _probe(self) -> None:
        await self._store.delete(PROBE_KEY)
        await self._store.put(PROBE_KEY, b"written to see whether writing works\n")
        await self._heartbeat.beat()

    async def _check_consumes(self) -> None:
        if self._starting is None or not self._starting.done():
            raise Unavailable("not consuming yet")
        if self._starting.cancelled() or self._starting.exception() is not None:
            raise Unavailable("not consuming: the start failed")

    async def drain(self, timeout_seconds: float) -> None:
        """Stop taking, finish what was taken, reply, sign off."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        await self._housekeeping.stop()
        if self._sole:
            await self._finish_queue(deadline)
        await self._intake.stop()
        await self._reads.stop_taking()
        self._hold.release_all()
        for pool in (self._writes, self._reads, self._mailbox):
            await pool.finish(max(0.0, deadline - loop.time()))
        await self._replier.finish(max(0.0, deadline - loop.time()))
        await self._heartbeat.stop()

    async def _finish_queue(self, deadline: float) -> None:
        """Go on taking until the queue is empty; what cannot be done waits for the next start."""
        loop = asyncio.get_running_loop()
        try:
            while (  # noqa: ASYNC110 - a broker tells its depth only when asked
                self._intake.open
                and loop.time() < deadline
                and (self._writes.in_flight or await self._parts.broker.depth(WRITE_QUEUE.name))
            ):
                await asyncio.sleep(_DRAIN_POLL_SECONDS)
        except Unavailable as error:
            logger.warning("left the rest of the queue for the next start: %s", error)
