"""Objects, refusals, letters and beats for the catalog's tests."""

import secrets
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sangraha.broker.protocol import Fault
from sangraha.catalog.catalog import DeadLetter, NewObject, WorkerBeat
from sangraha.errors import TypeNotAllowed
from sangraha.ids import IdMint, made_at
from sangraha.messages import Rejected
from sangraha.objects import Location, StoredObject

MINT = IdMint(b"the catalog's test secret")


def id_made(seconds_ago: float) -> UUID:
    """An id that was made a while ago."""
    milliseconds = int((time.time() - seconds_ago) * 1000)
    rest = secrets.randbits(80) & ~(0xF << 76 | 0x3 << 62)
    return UUID(int=milliseconds << 80 | rest | 7 << 76 | 2 << 62)


def new_object(
    request_id: UUID | None = None, *, key: str | None = None, offset: int = 0, **fields: Any
) -> NewObject:
    """A create, in a body of its own unless a key is given."""
    object_id = request_id or MINT.new()
    plain: dict[str, Any] = {
        "object_id": object_id,
        "request_id": object_id,
        "bucket": "default",
        "name": None,
        "file_name": None,
        "version": 1,
        "type": "json",
        "content_type": "application/json",
        "declared_content_type": None,
        "size": 120,
        "sha256": secrets.token_hex(32),
        "metadata": {},
        "created_at": made_at(object_id),
    }
    stored = StoredObject(**{**plain, **fields})
    location = Location(key or f"default/objects/{object_id}", offset, stored.size)
    return NewObject(stored, location, body_size=offset + stored.size)


def rejected(request_id: UUID | None = None, detail: str = "a script") -> Rejected:
    """A refusal of a request."""
    refusal = TypeNotAllowed(detail, detected="text/x-script", allowed=["image/png"])
    return Rejected(request_id=request_id or MINT.new(), problem=refusal.problem())


def dead_letter(*request_ids: UUID, **fields: Any) -> DeadLetter:
    """A letter about these requests."""
    plain: dict[str, Any] = {
        "letter_id": MINT.new(),
        "message_id": str(MINT.new()),
        "queue": "object_write_queue",
        "request_ids": list(request_ids),
        "body_keys": [],
        "fault": Fault(
            error="UndecodableMessage",
            message="the checksum does not match",
            stack="line 1\nline 2",
            attempts=3,
            host="worker-1",
            failed_at=datetime(2031, 5, 6, 7, 8, 9, 123456, UTC),
        ),
        "headers": {"attempts": 3, "origin": "receiver"},
        "body": b"SG\x00\xff not a group",
        "body_size": 16,
        "recorded_at": datetime.now(UTC),
    }
    return DeadLetter(**{**plain, **fields})


def beat(worker_id: str, **fields: Any) -> WorkerBeat:
    """A beat of a worker."""
    plain: dict[str, Any] = {
        "host": "worker-1",
        "pid": 4711,
        "started_at": datetime(2031, 5, 6, 7, 8, 9, 123456, UTC),
        "in_flight": 3,
        "done": 5_000_000_000,
    }
    return WorkerBeat(worker_id=worker_id, **{**plain, **fields})
