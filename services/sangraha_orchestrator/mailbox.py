"""The mailbox: moves what reaches the dead-letter queue into the catalog, for people."""

import logging
import socket
from datetime import UTC, datetime

from sangraha.broker.protocol import Delivery, Fault
from sangraha.catalog.catalog import Catalog
from sangraha.catalog.dead_letter import DeadLetter
from sangraha.errors import CatalogUnavailable, Unavailable
from sangraha.logs import bound
from sangraha.metrics import Metrics
from sangraha_orchestrator.deaths import letter_of, reason_label
from sangraha_orchestrator.hold import Hold

logger = logging.getLogger(__name__)


class Mailbox:
    """Handles deliveries of the dead-letter queue: recorded first, then acked."""

    def __init__(self, catalog: Catalog, hold: Hold, metrics: Metrics) -> None:
        self._catalog = catalog
        self._hold = hold
        self._metrics = metrics

    async def handle(self, delivery: Delivery) -> None:
        """Record the message and why it is dead; its requests' outcome is `dead` from then on."""
        fault = delivery.fault or Fault(
            error="unknown",
            message="the message came without a reason",
            attempts=delivery.redeliveries + 1,
            host=socket.gethostname(),
            failed_at=datetime.fromtimestamp(0, UTC),
        )
        letter = letter_of(delivery.message, fault)
        try:
            await self._hold.of(delivery).until_done(lambda: self._record(letter))
        except Unavailable:
            await delivery.release()
            return
        await delivery.ack()
        self._metrics.dead_letters.labels(reason_label(fault)).inc()
        with bound(request_id=",".join(map(str, letter.request_ids)) or None):
            logger.error(
                "dead letter %s: %s: %s",
                letter.letter_id,
                fault.error,
                fault.message,
                extra={"letter_id": str(letter.letter_id)},
            )

    async def _record(self, letter: DeadLetter) -> None:
        """The end of the line: whatever keeps a letter from being recorded is waited out."""
        try:
            await self._catalog.record_dead_letter(letter)
        except Unavailable:
            raise
        except Exception as error:
            logger.exception("the dead letter %s cannot be recorded", letter.letter_id)
            raise CatalogUnavailable(f"the letter cannot be recorded: {error}") from error
