"""Workers and dead letters as operators see them."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec

from sangraha.broker.protocol import Fault
from sangraha.catalog.dead_letter import DeadLetter
from sangraha.catalog.letter_filter import LetterFilter
from sangraha.catalog.worker import Worker
from sangraha_orchestrator.deaths import attempts_before, redrives_of
from sangraha_orchestrator.redrive import DEFAULT_RATE, MAX_RATE, MIN_RATE

FIRST_BYTES: Final = 256


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A worker: `in_flight` requests now, `done` since it started.

    It is `lost` once its last beat, `age_seconds` ago by the catalog's clock, is too long ago.
    """

    worker_id: str
    host: str
    pid: int
    state: Literal["alive", "lost"]
    started_at: datetime
    last_beat_at: datetime
    age_seconds: float
    in_flight: int
    done: int


class WorkerList(msgspec.Struct, frozen=True, kw_only=True):
    """The worker pool."""

    workers: list[WorkerStatus]


class LetterDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was given up, and why. `body_size` is in bytes.

    `body_keys` are where the bodies of its objects are in the store, or would be. It was handed out
    `attempts` times in all, those before its `redrives` included; `redriven_at` is when it was put
    on its queue again, null while it waits. `first_bytes` of the message, in hexadecimal, are there
    where one letter is asked for.
    """

    letter_id: UUID
    message_id: str
    queue: str
    request_ids: list[UUID]
    body_keys: list[str]
    fault: Fault
    headers: dict[str, str | int]
    body_size: int
    recorded_at: datetime
    redriven_at: datetime | None
    redrives: int
    attempts: int
    first_bytes: str | msgspec.UnsetType = msgspec.UNSET


class LetterList(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that were given up, newest first; `next_cursor` is null on the last page."""

    dead_letters: list[LetterDocument]
    next_cursor: str | None


class LettersToRedrive(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The letters that are meant and wait, the oldest first: at most `limit`, `rate` a second.

    `cursor` is that of the batch before. `force` also sends what would come straight back.
    """

    filter: LetterFilter
    rate: Annotated[float, msgspec.Meta(ge=MIN_RATE, le=MAX_RATE)] = DEFAULT_RATE
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    cursor: str | None = None
    force: bool = False


class RefusedLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A letter that was not redriven, and why."""

    letter_id: UUID
    problem: dict[str, Any]


class RedriveBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What became of some letters; `next_cursor` is null once there are no more."""

    redriven: list[UUID]
    refused: list[RefusedLetter]
    next_cursor: str | None


class LettersDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """How many letters were deleted."""

    deleted: int


def worker_status(worker: Worker, lost_seconds: float) -> WorkerStatus:
    """The worker; its age is that of its last beat."""
    return WorkerStatus(
        worker_id=worker.worker_id,
        host=worker.host,
        pid=worker.pid,
        state="lost" if worker.age_seconds > lost_seconds else "alive",
        started_at=worker.started_at,
        last_beat_at=worker.last_beat_at,
        age_seconds=round(worker.age_seconds, 1),
        in_flight=worker.in_flight,
        done=worker.done,
    )


def letter_document(letter: DeadLetter) -> LetterDocument:
    """The letter; the first bytes of its message where it came with it."""
    return LetterDocument(
        letter_id=letter.letter_id,
        message_id=letter.message_id,
        queue=letter.queue,
        request_ids=letter.request_ids,
        body_keys=letter.body_keys,
        fault=letter.fault,
        headers=letter.headers,
        body_size=letter.body_size,
        recorded_at=letter.recorded_at,
        redriven_at=letter.redriven_at,
        redrives=redrives_of(letter.headers),
        attempts=attempts_before(letter.headers) + letter.fault.attempts,
        first_bytes=msgspec.UNSET if letter.body is None else letter.body[:FIRST_BYTES].hex(),
    )
