"""Workers and dead letters as operators see them."""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

from sangraha.broker.protocol import Fault
from sangraha.catalog.dead_letter import DeadLetter
from sangraha.catalog.worker import Worker

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

    `body_keys` are where the bodies of its objects are in the store, or would be.
    `first_bytes` of the message, in hexadecimal, are there where one letter is asked for.
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
    first_bytes: str | msgspec.UnsetType = msgspec.UNSET


class LetterList(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that were given up, newest first."""

    dead_letters: list[LetterDocument]


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
        first_bytes=msgspec.UNSET if letter.body is None else letter.body[:FIRST_BYTES].hex(),
    )
