"""The way of a write group: judge each request, store, commit, reply and ack — in that order."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from sangraha import messages
from sangraha.broker.protocol import Delivery, Fault, Message
from sangraha.catalog.catalog import Catalog, RulesChangedError
from sangraha.catalog.verdict import Entry, Expired, NewObject, Swept
from sangraha.errors import RequestDead, Unavailable, UndecodableMessage
from sangraha.logs import bound
from sangraha.messages import (
    CreateObject,
    Dead,
    Inline,
    Rejected,
    WriteGroup,
    WriteOutcome,
    WriteRequest,
)
from sangraha.metrics import Metrics
from sangraha.store.keys import next_key
from sangraha.store.protocol import Store
from sangraha_orchestrator.bodies import Bodies
from sangraha_orchestrator.deaths import (
    REQUESTS_HEADER,
    expired,
    fault_of,
    letter_of,
    reason_label,
    swept,
)
from sangraha_orchestrator.hold import Hold, Patience
from sangraha_orchestrator.replier import Replier
from sangraha_orchestrator.rules import Rules
from sangraha_orchestrator.verdicts import runs, verdicts

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Work:
    """A delivery that is worked on."""

    delivery: Delivery
    patience: Patience
    bodies: Bodies

    @property
    def attempts(self) -> int:
        return self.delivery.redeliveries + 1


class WriteWorker:
    """Handles deliveries of the write queue. Every step may be repeated: ids decide."""

    def __init__(
        self, store: Store, catalog: Catalog, hold: Hold, replier: Replier, metrics: Metrics
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._rules = Rules(catalog)
        self._hold = hold
        self._replier = replier
        self._metrics = metrics

    async def handle(self, delivery: Delivery) -> None:
        """Settle the delivery: acked once its outcomes are committed, dead-lettered where it
        cannot be read, given back where store or catalog stay away.
        """
        self._observe_wait(delivery.message)
        work = _Work(delivery, self._hold.of(delivery), Bodies(self._store, self._catalog))
        try:
            group = messages.decode(WriteGroup, delivery.message.body)
        except UndecodableMessage as error:
            await self._set_aside(work, fault_of(error, work.attempts))
            return
        self._metrics.group_requests.labels("object_write_queue").observe(len(group.requests))
        requests = ",".join(str(request.request_id) for request in group.requests)
        outcomes: list[WriteOutcome] = []
        try:
            with bound(request_id=requests):
                for run in runs(group.requests):
                    outcomes += await self._outcomes(run, work)
        except Unavailable as error:
            logger.warning("gave a group back to the queue: %s", error)
            await delivery.release()
            return
        # In the background: whoever waits for it does not wait for the ack, nor the ack for it.
        self._replier.writes(delivery.message, group.group_id, outcomes)
        await delivery.ack()
        await work.bodies.remove_unused(outcomes)

    async def _outcomes(self, requests: Sequence[WriteRequest], work: _Work) -> list[WriteOutcome]:
        """How each request ended, committed."""
        try:
            committed = await self._committed(requests, work)
        except Unavailable:
            raise
        except Exception as error:
            if len(requests) == 1:
                logger.exception("a request failed for a reason of ours")
                return [await self._bury(requests[0], work, fault_of(error, work.attempts))]
            # One of them is to blame: each alone and in their order, so that its neighbours go on.
            return [
                outcome for request in requests for outcome in await self._outcomes([request], work)
            ]
        return [
            await self._ended(request, outcome, work)
            for request, outcome in zip(requests, committed, strict=True)
        ]

    async def _committed(
        self, requests: Sequence[WriteRequest], work: _Work
    ) -> list[WriteOutcome | Expired | Swept]:
        """Judged by what is remembered of the buckets, once; after that by what is read."""
        names = sorted({one.bucket for one in requests if isinstance(one, CreateObject)})
        remembered = self._rules.remembered(names)
        while True:
            buckets = remembered
            if buckets is None:
                buckets = await work.patience.until_done(lambda: self._rules.read(names))
            # Not on the event loop: libmagic takes half a second over some KiB of blank lines.
            entries = await asyncio.to_thread(verdicts, requests, buckets)
            if remembered is None or not any(isinstance(entry, Rejected) for entry in entries):
                with suppress(RulesChangedError):
                    return await self._stored_anywhere(requests, entries, work)
            remembered = None

    async def _stored_anywhere(
        self, requests: Sequence[WriteRequest], entries: Sequence[Entry], work: _Work
    ) -> list[WriteOutcome | Expired | Swept]:
        """Raises RulesChangedError; all of it may then be done again with other entries."""
        committed = await self._stored(requests, entries, work)
        return [
            await self._stored_elsewhere(request, entry, outcome, work)
            for request, entry, outcome in zip(requests, entries, committed, strict=True)
        ]

    async def _stored(
        self, requests: Sequence[WriteRequest], entries: Sequence[Entry], work: _Work
    ) -> list[WriteOutcome | Expired | Swept]:
        await work.patience.until_done(lambda: work.bodies.keep(requests, entries))
        return await work.patience.until_done(lambda: self._catalog.commit(entries))

    async def _stored_elsewhere(
        self,
        request: WriteRequest,
        entry: Entry,
        outcome: WriteOutcome | Expired | Swept,
        work: _Work,
    ) -> WriteOutcome | Expired | Swept:
        """The outcome, once the body is not at a key that was swept: whoever sweeps may remove what
        is there at any time. A body that was only claimed is gone.
        """
        while isinstance(outcome, Swept) and isinstance(entry, NewObject) and _is_inline(request):
            there = msgspec.structs.replace(entry.location, key=next_key(outcome.key))
            entry = msgspec.structs.replace(entry, location=there)
            (outcome,) = await self._stored([request], [entry], work)
        return outcome

    async def _ended(
        self, request: WriteRequest, outcome: WriteOutcome | Expired | Swept, work: _Work
    ) -> WriteOutcome:
        match outcome:
            case Expired():
                return await self._bury(request, work, expired(work.attempts))
            case Swept():
                return await self._bury(request, work, swept(work.attempts))
        self._note(request, outcome)
        return outcome

    async def _bury(self, request: WriteRequest, work: _Work, fault: Fault) -> WriteOutcome:
        """Set one request aside as a dead letter, in a group of its own."""
        alone = Message(
            body=messages.encode(WriteGroup(group_id=request.request_id, requests=[request])),
            message_id=str(request.request_id),
            headers={
                **work.delivery.message.headers,
                REQUESTS_HEADER: str(request.request_id),
            },
        )
        letter = letter_of(alone, fault)
        await work.patience.until_done(lambda: self._catalog.record_dead_letter(letter))
        self._metrics.dead_letters.labels(reason_label(fault)).inc()
        outcome = Dead(request_id=request.request_id, problem=RequestDead().problem())
        self._note(request, outcome)
        return outcome

    async def _set_aside(self, work: _Work, fault: Fault) -> None:
        logger.error(
            "dead-lettered a message: %s",
            fault.message,
            extra={"message_id": work.delivery.message.message_id},
        )
        try:
            await work.patience.until_done(lambda: work.delivery.dead_letter(fault))
        except Unavailable:
            await work.delivery.release()

    def _observe_wait(self, message: Message) -> None:
        sent = message.headers.get("sangraha-sent-ms")
        if isinstance(sent, int):
            waited = max(0.0, time.time() - sent / 1000)
            self._metrics.queue_seconds.labels("object_write_queue").observe(waited)

    def _note(self, request: WriteRequest, outcome: WriteOutcome) -> None:
        kind = type(outcome).__name__.lower()
        self._metrics.write_outcomes.labels(kind).inc()
        extra: dict[str, object] = {"operation": request.__struct_config__.tag, "outcome": kind}
        if isinstance(request, CreateObject):
            extra["bytes"] = request.content.size
        with bound(
            request_id=request.request_id,
            correlation_id=request.correlation_id,
            traceparent=request.traceparent,
        ):
            logger.info("write %s", kind, extra=extra)


def _is_inline(request: WriteRequest) -> bool:
    return isinstance(request, CreateObject) and isinstance(request.content, Inline)
