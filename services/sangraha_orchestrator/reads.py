"""The way of a read group: rows in one statement a kind, bytes from the store, one reply."""

import asyncio
import logging
import time
from typing import Final

import msgspec

from sangraha import messages
from sangraha.broker.protocol import Delivery, Message
from sangraha.catalog.catalog import Catalog
from sangraha.errors import InternalFault, SangrahaError, UndecodableMessage
from sangraha.logs import bound
from sangraha.messages import (
    BucketFound,
    BucketsListed,
    Found,
    GetBucket,
    GetNamed,
    GetObject,
    ListBuckets,
    Listed,
    ListNames,
    ListObjects,
    ListVersions,
    NamesListed,
    ReadFailed,
    ReadGroup,
    ReadOutcome,
    ReadRequest,
    VersionsListed,
)
from sangraha.metrics import Metrics
from sangraha.store.protocol import Store
from sangraha_orchestrator.lookups import Lookups
from sangraha_orchestrator.replier import Replier

logger = logging.getLogger(__name__)

MAX_REPLIED_BODY: Final = 256 * 1024
"""Larger bodies do not travel in replies: the reader is told where they are in the store."""


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
        try:
            rows = await Lookups.of(self._catalog, group.requests)
        except SangrahaError as error:
            return [_failed(asked, error) for asked in group.requests]
        except Exception:
            logger.exception("a group of reads failed for a reason of ours")
            return [_failed(asked, InternalFault()) for asked in group.requests]
        return await asyncio.gather(*(self._outcome(asked, rows) for asked in group.requests))

    async def _outcome(self, asked: ReadRequest, rows: Lookups) -> ReadOutcome:
        with bound(
            request_id=asked.read_id,
            correlation_id=asked.correlation_id,
            traceparent=asked.traceparent,
        ):
            try:
                outcome = await self._answer(asked, rows)
            except SangrahaError as error:
                outcome = _failed(asked, error)
            except Exception:
                logger.exception("a read failed for a reason of ours")
                outcome = _failed(asked, InternalFault())
            failed = isinstance(outcome, ReadFailed)
            slug = outcome.problem.slug if isinstance(outcome, ReadFailed) else None
            logger.info("read %s", "failed" if failed else "done", extra={"problem": slug})
            return outcome

    async def _answer(self, asked: ReadRequest, rows: Lookups) -> ReadOutcome:
        catalog, read_id = self._catalog, asked.read_id
        match asked:
            case GetObject() | GetNamed():
                return await self._get(asked, rows)
            case GetBucket():
                return BucketFound(read_id=read_id, bucket=rows.bucket(asked))
            case ListBuckets(cursor=cursor, limit=limit):
                return BucketsListed(read_id=read_id, page=await catalog.bucket_page(cursor, limit))
            case ListNames():
                return NamesListed(read_id=read_id, page=await catalog.list_names(asked))
            case ListVersions():
                return VersionsListed(read_id=read_id, page=await catalog.list_versions(asked))
            case ListObjects(type=of_type, page=number, page_size=size):
                page = await catalog.list_objects(type=of_type, page=number, page_size=size)
                return Listed(read_id=read_id, page=page)

    async def _get(self, asked: GetObject | GetNamed, rows: Lookups) -> Found:
        row = rows.object(asked)
        known = row.object.sha256 in asked.known_sha256 or "*" in asked.known_sha256
        found = Found(
            read_id=asked.read_id,
            object=row.object,
            max_age_seconds=row.max_age_seconds,
            modified_at=row.modified_at,
            known=known,
        )
        if known or not asked.want_body:
            return found
        if row.location.length > MAX_REPLIED_BODY:
            return msgspec.structs.replace(found, location=row.location)
        key, offset, length = row.location.key, row.location.offset, row.location.length
        return msgspec.structs.replace(found, body=await self._store.get(key, offset, length))

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
