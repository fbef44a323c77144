"""The receiver: accepts writes onto the queue and tells what became of them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sangraha.broker.topology import reply_queue_name
from sangraha.ending import Ending
from sangraha.errors import NotFound
from sangraha.ids import IdMint, made_at
from sangraha.messages import WriteOutcome, goes_on
from sangraha.parts import Parts
from sangraha.settings import Settings
from sangraha.store.protocol import Store
from sangraha_receiver.clock import Clock
from sangraha_receiver.reachable import Reachable
from sangraha_receiver.submission import Submissions
from sangraha_receiver.turn import Turns
from sangraha_receiver.uploads import Uploads

_POLL_SECONDS: Final = 0.25
_CLOCK_SKEW: Final = timedelta(minutes=5)


class Receiver:
    """Takes writes in. Needs the broker to accept, the store for large bodies, and the catalog for
    idempotency keys and to tell outcomes.
    """

    def __init__(
        self,
        settings: Settings,
        parts: Parts,
        store: Store,
        mint: IdMint,
        *,
        ending: Ending,
        boot_id: str,
    ) -> None:
        self.settings = settings
        self.mint = mint
        self.clock = Clock(parts.catalog)
        self.uploads = Uploads(
            store,
            Turns(
                Reachable(parts.check_store),
                parts.broker,
                settings.stream_concurrency,
                settings.publish_timeout_seconds,
            ),
            inline_body_bytes=settings.inline_body_bytes,
            max_body_bytes=settings.max_body_bytes,
        )
        self.submissions = Submissions(
            parts.broker,
            parts.catalog,
            mint,
            self.uploads.discard_all,
            ending=ending,
            reply_queue=reply_queue_name("receiver", settings.replica, boot_id),
            publish_timeout_seconds=settings.publish_timeout_seconds,
        )
        self._parts = parts
        self._ending = ending

    async def start(self) -> None:
        """Open the reply queue."""
        await self.submissions.start()

    async def stop(self) -> None:
        """Let go of what `start` began, and of what was never confirmed."""
        await self.submissions.stop()

    async def check_broker(self) -> None:
        """Raises BrokerUnavailable unless the broker can be published to now."""
        await self._parts.check_broker()

    async def outcome(self, request_id: UUID, wait_seconds: float) -> WriteOutcome | None:
        """What became of a request; None while it is accepted and not done.

        Waits for its end for at most `wait_seconds`, or until this process ends. Raises NotFound
        for an id Sangraha did not give out, or one older than the longest life of a request, and
        CatalogUnavailable.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_seconds
        while True:
            outcome = await self._parts.catalog.outcome(request_id)
            if outcome is not None and not goes_on(outcome):
                return outcome
            if outcome is None:
                self._check_may_come(request_id)
            left = deadline - loop.time()
            if left <= 0 or self._ending.soon.is_set():
                return outcome
            await asyncio.sleep(min(_POLL_SECONDS, left))

    def _check_may_come(self, request_id: UUID) -> None:
        life = timedelta(seconds=self.settings.request_life_seconds)
        if self.mint.is_genuine(request_id):
            age = datetime.now(UTC) - made_at(request_id)
            if -_CLOCK_SKEW <= age <= life:
                return
        raise NotFound(f"there is no request {request_id}")
