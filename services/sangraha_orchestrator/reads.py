"""The way of a read group: rows in one statement, bytes from the store, one reply."""

import asyncio
import logging
import time
from collections.abc import Mapping
from uuid import UUID

from sangraha import messages
from sangraha.broker.protocol import Delivery, Message
from sangraha.catalog.catalog import Catalog
from sangraha.errors import InternalFault, NotFound, SangrahaError, UndecodableMessage
from sangraha.http.conditional import is_known
from sangraha.logs import bound
from sangraha.messages import (
    Found,
    GetObject,
    Listed,
    ListObjects,
    ReadFailed,
    ReadGroup,
    ReadOutcome,
    ReadRequest,
)
from sangraha.metrics import Metrics
from sangraha.objects import Location, StoredObject
from sangraha.store.protocol import Store
from sangraha_orchestrator.replier import Replier

logger = logging.getLogger(__name__)

Rows = Mapping[UUID, tuple[StoredObject, Location]]


class ReadWorker:
    """Handles deliveries of the read queue: one attempt each, a reader asks again."""

    def __init__(self, store: Store, catalog: Catalog, replier: Replier, metrics: Metrics) -> None:
        self._store = store
        self._catalog = catalog
        self._replier = replier
        self._metrics = metrics

    async def handle(self, delivery: Delivery) -> None:
        """Answer every request of the group, and ack."""
        message = delivery.message
        try:
            group = messages.decode(ReadGroup, message.body)
        except UndecodableMessage as error:
            logger.error("dropped a read that cannot be decoded: %s", error)
            await delivery.ack()
            return
        self._metrics.group_requests.labels("object_read_queue").observe(len(group.requests))
        try:
            if not self._is_late(message):
                self._replier.reads(message, group.group_id, await self._outcomes(group))
        finally:
            # A reader asks again; the queue must not.
            await delivery.ack()

    async def _outcomes(self, group: ReadGroup) -> list[ReadOutcome]:
        wanted = [asked.object_id for asked in group.requests if isinstance(asked, GetObject)]
        try:
            rows: Rows = await self._catalog.locate(wanted) if wanted else {}
        except SangrahaError as error:
            return [_failed(asked, error) for asked in group.requests]
        return await asyncio.gather(*(self._outcome(asked, rows) for asked in group.requests))

    async def _outcome(self, asked: ReadRequest, rows: Rows) -> ReadOutcome:
        with bound(
            request_id=asked.read_id,
            correlation_id=asked.correlation_id,
            traceparent=asked.traceparent,
        ):
            try:
                if isinstance(asked, ListObjects):
                    outcome: ReadOutcome = await self._list(asked)
                else:
                    outcome = await self._get(asked, rows)
            except SangrahaError as error:
                outcome = _failed(asked, error)
            except Exception:
                logger.exception("a read failed for a reason of ours")
                outcome = _failed(asked, InternalFault())
            failed = isinstance(outcome, ReadFailed)
            slug = outcome.problem.slug if isinstance(outcome, ReadFailed) else None
            logger.info("read %s", "failed" if failed else "done", extra={"problem": slug})
            return outcome

    async def _list(self, asked: ListObjects) -> Listed:
        page = await self._catalog.list_objects(
            type=asked.type, page=asked.page, page_size=asked.page_size
        )
        return Listed(read_id=asked.read_id, page=page)

    async def _get(self, asked: GetObject, rows: Rows) -> Found:
        row = rows.get(asked.object_id)
        if row is None:
            raise NotFound(f"there is no object {asked.object_id}")
        stored, location = row
        if is_known(stored.sha256, asked.known_sha256):
            return Found(read_id=asked.read_id, object=stored, known=True)
        body = None
        if asked.want_body:
            body = await self._store.get(location.key, location.offset, location.length)
        return Found(read_id=asked.read_id, object=stored, body=body)

    def _is_late(self, message: Message) -> bool:
        """Whether nobody waits any more. Also observes the time in the queue."""
        now = time.time()
        sent, deadline = (
            message.headers.get(f"sangraha-{name}-ms") for name in ("sent", "deadline")
        )
        if isinstance(sent, int):
            waited = max(0.0, now - sent / 1000)
            self._metrics.queue_seconds.labels("object_read_queue").observe(waited)
        return isinstance(deadline, int) and now > deadline / 1000


def _failed(asked: ReadRequest, error: SangrahaError) -> ReadFailed:
    return ReadFailed(read_id=asked.read_id, problem=error.problem())
