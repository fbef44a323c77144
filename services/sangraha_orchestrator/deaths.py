"""What is told of a message that is given up."""

import hashlib
import socket
import traceback
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sangraha import messages
from sangraha.broker.protocol import MAX_STACK_BYTES, Fault, Message
from sangraha.broker.topology import WRITE_QUEUE
from sangraha.catalog.dead_letter import DeadLetter
from sangraha.errors import UndecodableMessage
from sangraha.messages import CreateObject, WriteGroup, WriteRequest
from sangraha_orchestrator.verdicts import body_key

REQUESTS_HEADER: Final = "sangraha-requests"
REDRIVES_HEADER: Final = "sangraha-redrives"
ATTEMPTS_HEADER: Final = "sangraha-attempts"
EXPIRED: Final = "expired"
SWEPT: Final = "swept"
_REASONS: Final = {
    "UndecodableMessage": "undecodable",
    "delivery-limit": "delivery-limit",
    EXPIRED: EXPIRED,
    SWEPT: SWEPT,
}


def fault_of(error: BaseException, attempts: int) -> Fault:
    """The fault for an error that just happened here, its stack shortened from the top."""
    stack = "".join(traceback.format_exception(error)).encode()[-MAX_STACK_BYTES:]
    return Fault(
        error=type(error).__name__,
        message=str(error),
        stack=stack.decode("utf-8", "ignore"),
        attempts=attempts,
        host=socket.gethostname(),
        failed_at=datetime.now(UTC),
    )


def expired(attempts: int) -> Fault:
    """The fault of a request that is older than any may be."""
    return Fault(
        error=EXPIRED,
        message="the request is older than the longest life of a request",
        attempts=attempts,
        host=socket.gethostname(),
        failed_at=datetime.now(UTC),
    )


def swept(attempts: int) -> Fault:
    """The fault of a request whose body was removed from the store before it was committed."""
    return Fault(
        error=SWEPT,
        message="the body was swept from the store before the request was committed",
        attempts=attempts,
        host=socket.gethostname(),
        failed_at=datetime.now(UTC),
    )


def letter_of(message: Message, fault: Fault) -> DeadLetter:
    """The dead letter of this message; the same one however often it is made."""
    requests = _requests_in(message)
    digest = hashlib.sha256(message.body).hexdigest()
    made_from = f"{message.message_id} {fault.error} {fault.failed_at.isoformat()} {digest}"
    return DeadLetter(
        letter_id=uuid.uuid5(uuid.NAMESPACE_OID, made_from),
        message_id=message.message_id,
        queue=WRITE_QUEUE.name,
        request_ids=[one.request_id for one in requests] or _listed(message),
        body_keys=[body_key(one) for one in requests if isinstance(one, CreateObject)],
        fault=fault,
        headers=dict(message.headers),
        body=message.body,
        body_size=len(message.body),
        recorded_at=datetime.now(UTC),
    )


def redrives_of(headers: Mapping[str, str | int]) -> int:
    """How often the message was redriven before, as its headers tell."""
    return _count(headers, REDRIVES_HEADER)


def attempts_before(headers: Mapping[str, str | int]) -> int:
    """How often it had been handed out when it was redriven the last time."""
    return _count(headers, ATTEMPTS_HEADER)


def _count(headers: Mapping[str, str | int], name: str) -> int:
    told = headers.get(name)
    return told if isinstance(told, int) else 0


def _requests_in(message: Message) -> list[WriteRequest]:
    """The requests of a message, none where it is unreadable."""
    try:
        return messages.decode(WriteGroup, message.body).requests
    except UndecodableMessage:
        return []


def _listed(message: Message) -> list[UUID]:
    """The ids that the header of an unreadable message names."""
    listed = str(message.headers.get(REQUESTS_HEADER, "")).split(",")
    return [request_id for text in listed if (request_id := _uuid(text)) is not None]


def reason_label(fault: Fault) -> str:
    """The fault in the closed set of the metric's labels."""
    return _REASONS.get(fault.error, "failed")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
