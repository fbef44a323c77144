"""How a message found in the journal's file at the start becomes an entry of a queue again."""

from sangraha.broker.journal.operations import Kept
from sangraha.broker.journal.queue_state import Entry
from sangraha.broker.protocol import Message


def recovered(kept: Kept, monotonic_minus_unix: float) -> Entry:
    """The entry, its body still on disk; its deadline moves from Unix time to the loop's clock."""
    properties = kept.properties
    expires_at = properties.expires_at
    return Entry(
        id=kept.id,
        sequence=kept.sequence,
        message=Message(
            body=b"",
            message_id=properties.message_id,
            correlation_id=properties.correlation_id,
            reply_to=properties.reply_to,
            headers=properties.headers,
            expires_in_seconds=properties.expires_in_seconds,
            persistent=properties.persistent,
        ),
        size=kept.size,
        deliveries=kept.deliveries,
        fault=kept.fault,
        expires_at=None if expires_at is None else expires_at + monotonic_minus_unix,
        resident=False,
    )
