"""The way of a write group: judge each request, store, commit, ack, reply — in that order."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Sequence
from typing import Final

from sangraha import messages
from sangraha.broker.protocol import Delivery, Fault, Message
from sangraha.catalog.catalog import Catalog
from sangraha.catalog.verdict import Expired, NewObject
from sangraha.content_types import judge
from sangraha.errors import RequestDead, RequestRefused, Unavailable, UndecodableMessage
from sangraha.ids import made_at
from sangraha.logs import bound
from sangraha.messages import CreateObject, Dead, Rejected, WriteGroup, WriteOutcome
from sangraha.metrics import Metrics
from sangraha.objects import Location, StoredObject
from sangraha.store.keys import object_key
from sangraha.store.protocol import Store
from sangraha_orchestrator.deaths import (
    REQUESTS_HEADER,
    expired,
    fault_of,
    letter_of,
    reason_label,
)
from sangraha_orchestrator.hold import Hold, Patience
from sangraha_orchestrator.replier import Replier

logger = logging.getLogger(__name__)

_IN_THREAD_BYTES: Final = 64 * 1024
FIRST_VERSION: Final = 1


class WriteWorker:
    """Handles deliveries of the write queue. Every step may be repeated: ids decide."""

    def __init__(
        self, store: Store, catalog: Catalog, hold: Hold, replier: Replier, metrics: Metrics
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._hold = hold
        self._replier = replier
        self._metrics = metrics

    async def handle(self, delivery: Delivery) -> None:
        """Settle the delivery: acked once its outcomes are committed, dead-lettered where it
        cannot be read, given back where store or catalog stay away.
        """
        self._observe_wait(delivery.message)
        try:
            group = messages.decode(WriteGroup, delivery.message.body)
        except UndecodableMessage as error:
            await self._set_aside(delivery, fault_of(error, delivery.redeliveries + 1))
            return
        self._metrics.group_requests.labels("object_write_queue").observe(len(group.requests))
        patience = self._hold.of(delivery)
        requests = ",".join(str(request.request_id) for request in group.requests)
        try:
            with bound(request_id=requests):
                outcomes = await self._outcomes(group.requests, delivery, patience)
        except Unavailable as error:
            logger.warning("gave a group back to the queue: %s", error)
            await delivery.release()
            return
        await delivery.ack()
        self._replier.writes(delivery.message, group.group_id, outcomes)

    async def _outcomes(
        self, requests: Sequence[CreateObject], delivery: Delivery, patience: Patience
    ) -> list[WriteOutcome]:
        """How each request ended, committed."""
        try:
            verdicts = [await self._verdict(request) for request in requests]
            await patience.until_done(lambda: self._keep_bodies(requests, verdicts))
            committed = await patience.until_done(lambda: self._catalog.commit(verdicts))
        except Unavailable:
            raise
        except Exception as error:
            if len(requests) == 1:
                logger.exception("a request failed for a reason of ours")
                fault = fault_of(error, delivery.redeliveries + 1)
                return [await self._bury(requests[0], delivery.message, fault, patience)]
            # One of them is to blame: each alone, so that its neighbours go on.
            return [
                outcome
                for request in requests
                for outcome in await self._outcomes([request], delivery, patience)
            ]
        outcomes: list[WriteOutcome] = []
        for request, outcome in zip(requests, committed, strict=True):
            if isinstance(outcome, Expired):
                fault = expired(delivery.redeliveries + 1)
                outcomes.append(await self._bury(request, delivery.message, fault, patience))
            else:
                outcomes.append(outcome)
                self._note(request, outcome)
        return outcomes

    async def _verdict(self, request: CreateObject) -> NewObject | Rejected:
        """What the request's bytes are. Judged off the event loop where that takes long."""
        if len(request.body) > _IN_THREAD_BYTES:
            return await asyncio.to_thread(verdict, request)
        return verdict(request)

    async def _keep_bodies(
        self, requests: Sequence[CreateObject], verdicts: Sequence[NewObject | Rejected]
    ) -> None:
        puts = [
            self._store.put(judged.location.key, request.body)
            for request, judged in zip(requests, verdicts, strict=True)
            if isinstance(judged, NewObject)
        ]
        # All of them end before any is tried again: no two puts of one key at a time.
        for result in await asyncio.gather(*puts, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _bury(
        self, request: CreateObject, group: Message, fault: Fault, patience: Patience
    ) -> WriteOutcome:
        """Set one request aside as a dead letter, in a group of its own."""
        alone = Message(
            body=messages.encode(WriteGroup(group_id=request.request_id, requests=[request])),
            message_id=str(request.request_id),
            headers={**group.headers, REQUESTS_HEADER: str(request.request_id)},
        )
        letter = letter_of(alone, fault)
        await patience.until_done(lambda: self._catalog.record_dead_letter(letter))
        self._metrics.dead_letters.labels(reason_label(fault)).inc()
        outcome = Dead(request_id=request.request_id, problem=RequestDead().problem())
        self._note(request, outcome)
        return outcome

    async def _set_aside(self, delivery: Delivery, fault: Fault) -> None:
        logger.error(
            "dead-lettered a message: %s",
            fault.message,
            extra={"message_id": delivery.message.message_id},
        )
        try:
            await self._hold.of(delivery).until_done(lambda: delivery.dead_letter(fault))
        except Unavailable:
            await delivery.release()

    def _observe_wait(self, message: Message) -> None:
        sent = message.headers.get("sangraha-sent-ms")
        if isinstance(sent, int):
            waited = max(0.0, time.time() - sent / 1000)
            self._metrics.queue_seconds.labels("object_write_queue").observe(waited)

    def _note(self, request: CreateObject, outcome: WriteOutcome) -> None:
        kind = type(outcome).__name__.lower()
        self._metrics.write_outcomes.labels(kind).inc()
        with bound(
            request_id=request.request_id,
            correlation_id=request.correlation_id,
            traceparent=request.traceparent,
        ):
            logger.info("write %s", kind, extra={"bytes": len(request.body), "outcome": kind})


def verdict(request: CreateObject) -> NewObject | Rejected:
    """The object a request makes, or why it is refused. Pure: the same at every delivery."""
    try:
        found = judge(
            request.body, request.allowed, request.declared_content_type, request.file_name
        )
    except RequestRefused as error:
        return Rejected(request_id=request.request_id, problem=error.problem())
    size = len(request.body)
    stored = StoredObject(
        object_id=request.request_id,
        request_id=request.request_id,
        bucket=request.bucket,
        name=None,
        file_name=request.file_name,
        version=FIRST_VERSION,
        type=found.type,
        content_type=found.content_type,
        declared_content_type=request.declared_content_type,
        size=size,
        sha256=hashlib.sha256(request.body).hexdigest(),
        metadata=request.metadata,
        created_at=made_at(request.request_id),
    )
    key = object_key(request.bucket, request.request_id, request.file_name)
    return NewObject(object=stored, location=Location(key, 0, size), body_size=size)
