"""Redriving: puts the messages of dead letters on the queues they came from again.

Each is published with a confirm, then noted in the catalog. Whoever dies in between leaves a letter
that waits still; redriven again, its message is in the queue twice, under the same request ids,
which make one object.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec

from sangraha import messages
from sangraha.broker.protocol import Broker, Message
from sangraha.broker.topology import WRITE_QUEUE
from sangraha.catalog.catalog import Catalog, DeadLetter, LetterFilter, LetterPosition
from sangraha.errors import (
    AlreadyRedriven,
    MessageTooLarge,
    NotFound,
    NotRedrivable,
    RequestRefused,
    UndecodableMessage,
)
from sangraha.logs import bound
from sangraha.messages import WriteGroup
from sangraha.metrics import Metrics
from sangraha_orchestrator.deaths import (
    ATTEMPTS_HEADER,
    REDRIVES_HEADER,
    SWEPT,
    attempts_before,
    reason_label,
    redrives_of,
)

logger = logging.getLogger(__name__)

MIN_RATE: Final = 0.1
DEFAULT_RATE: Final = 20.0
MAX_RATE: Final = 500.0
"""Messages a second."""
_LISTED_AT_A_TIME: Final = 100


@dataclass(frozen=True, slots=True)
class Attempt:
    """A letter that was redriven, or was not, and why."""

    letter_id: UUID
    refusal: RequestRefused | None


class Pace:
    """Lets so many things happen a second: the first at once, each next one in its turn."""

    def __init__(self, rate: float) -> None:
        self._interval_seconds = 1 / rate
        self._next = 0.0

    async def turn(self) -> None:
        """Return when it is time for the next one."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._next - loop.time()))
        self._next = max(self._next, loop.time()) + self._interval_seconds


class Redriver:
    """Redrives letters one after the other. Any number may be at it at once."""

    def __init__(
        self, broker: Broker, catalog: Catalog, metrics: Metrics, *, publish_timeout_seconds: float
    ) -> None:
        self._broker = broker
        self._catalog = catalog
        self._metrics = metrics
        self._timeout_seconds = publish_timeout_seconds

    async def one(self, letter_id: UUID, *, force: bool = False) -> DeadLetter:
        """Redrive the letter; the letter, then. By `force` also one that was redriven already, and
        one that is known to come straight back.

        Raises NotFound, AlreadyRedriven and NotRedrivable, and Unavailable: it waits then as
        before, unless it is told that the outcome is unknown.
        """
        letter = await self._catalog.dead_letter(letter_id)
        if letter is None:
            raise NotFound(f"there is no dead letter {letter_id}")
        message = _message_of(letter, force=force)
        with bound(request_id=",".join(map(str, letter.request_ids)) or None):
            try:
                await self._broker.publish(
                    letter.queue, message, timeout_seconds=self._timeout_seconds
                )
            except MessageTooLarge as error:
                raise NotRedrivable(f"the queue does not take it: {error.detail}") from error
            redriven_at = await self._catalog.note_redriven(letter_id)
            self._metrics.redriven_letters.labels(reason_label(letter.fault)).inc()
            logger.info("redrove a dead letter", extra={"letter_id": str(letter_id)})
        if redriven_at is None:
            raise NotFound(f"the dead letter {letter_id} was sent, and deleted in the meantime")
        return msgspec.structs.replace(letter, redriven_at=redriven_at)

    async def attempt(self, letter_id: UUID, pace: Pace, *, force: bool) -> Attempt:
        """Likewise in its turn, and told if it was refused. Raises Unavailable."""
        await pace.turn()
        try:
            await self.one(letter_id, force=force)
        except RequestRefused as error:
            return Attempt(letter_id, error)
        return Attempt(letter_id, None)

    async def those_now(self, wanted: LetterFilter) -> LetterFilter:
        """Those of the letters that are there already: without what comes back dead, all of them
        come to an end.
        """
        newest = await self._catalog.dead_letters(wanted, limit=1)
        if not newest:
            return wanted
        until = newest[0].recorded_at + timedelta(microseconds=1)
        return msgspec.structs.replace(wanted, recorded_before=until)

    async def each(
        self,
        wanted: LetterFilter,
        pace: Pace,
        *,
        after: LetterPosition | None = None,
        force: bool = False,
    ) -> AsyncGenerator[tuple[LetterPosition, Attempt], None]:
        """Redrive the letters that are meant and wait, the oldest first, and tell of each with its
        position.

        Raises InvalidParameter for a filter that no letter can match, and Unavailable; the letters
        from there on wait as before. What comes back dead meanwhile is redriven once more, unless
        `those_now` are asked for.
        """
        while letters := await self._catalog.dead_letters(
            wanted, limit=_LISTED_AT_A_TIME, after=after, oldest_first=True
        ):
            for letter in letters:
                yield letter.position, await self.attempt(letter.letter_id, pace, force=force)
            after = letters[-1].position


def _message_of(letter: DeadLetter, *, force: bool) -> Message:
    """The message to publish. Raises AlreadyRedriven and NotRedrivable."""
    if letter.body is None:
        raise NotRedrivable("the bytes of its message were not kept")
    if letter.queue != WRITE_QUEUE.name:
        raise NotRedrivable(f"there is no queue {letter.queue!r} for it")
    if not force:
        if letter.redriven_at is not None:
            raise AlreadyRedriven(
                f"the dead letter {letter.letter_id} was redriven already",
                redriven_at=letter.redriven_at.isoformat(),
            )
        _check_may_be_done(letter, letter.body)
    return Message(
        body=letter.body,
        message_id=letter.message_id,
        headers={
            **letter.headers,
            "sangraha-sent-ms": int(time.time() * 1000),
            REDRIVES_HEADER: redrives_of(letter.headers) + 1,
            ATTEMPTS_HEADER: attempts_before(letter.headers) + letter.fault.attempts,
        },
    )


def _check_may_be_done(letter: DeadLetter, body: bytes) -> None:
    """Raises NotRedrivable for what is known to come straight back."""
    try:
        messages.decode(WriteGroup, body)
    except UndecodableMessage as error:
        raise NotRedrivable(f"nobody can read its message: {error.detail}") from error
    if letter.fault.error == SWEPT:
        raise NotRedrivable("the body it names was swept from the store")
