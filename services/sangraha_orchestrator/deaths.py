"""What is told of a message that is given up."""

import hashlib
import socket
import traceback
import uuid
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sangraha import messages
from sangraha.broker.protocol import MAX_STACK_BYTES, Fault, Message
from sangraha.broker.topology import WRITE_QUEUE
from sangraha.catalog.dead_letter import DeadLetter
from sangraha.errors import UndecodableMessage
from sangraha.messages import WriteGroup

REQUESTS_HEADER: Final = "sangraha-requests"
EXPIRED: Final = "expired"
_REASONS: Final = {"UndecodableMessage": "undecodable", "delivery-limit": "delivery-limit"}


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


def letter_of(message: Message, fault: Fault) -> DeadLetter:
    """The dead letter of this message; the same one however often it is made."""
    digest = hashlib.sha256(message.body).hexdigest()
    made_from = f"{message.message_id} {fault.error} {fault.failed_at.isoformat()} {digest}"
    return DeadLetter(
        letter_id=uuid.uuid5(uuid.NAMESPACE_OID, made_from),
        message_id=message.message_id,
        queue=WRITE_QUEUE.name,
        request_ids=requests_in(message),
        fault=fault,
        headers=dict(message.headers),
        body=message.body,
        body_size=len(message.body),
        recorded_at=datetime.now(UTC),
    )


def requests_in(message: Message) -> list[UUID]:
    """The requests of a message: from the group, or where that is unreadable from its header."""
    try:
        group = messages.decode(WriteGroup, message.body)
    except UndecodableMessage:
        listed = str(message.headers.get(REQUESTS_HEADER, "")).split(",")
        return [request_id for text in listed if (request_id := _uuid(text)) is not None]
    return [request.request_id for request in group.requests]


def reason_label(fault: Fault) -> str:
    """The fault in the closed set of the metric's labels."""
    return _REASONS.get(fault.error, EXPIRED if fault.error == EXPIRED else "failed")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
