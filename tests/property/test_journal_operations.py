"""What the journal keeps of a message and of a fault comes back as it was."""

from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from sangraha.broker.journal.operations import (
    Kept,
    decode_fault,
    decode_properties,
    encode_fault,
    encode_properties,
)
from sangraha.broker.journal.recovery import recovered
from sangraha.broker.protocol import Fault, Message

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
MESSAGES = st.builds(
    Message,
    body=st.just(b""),
    message_id=TEXT,
    correlation_id=st.none() | TEXT,
    reply_to=st.none() | TEXT,
    headers=st.dictionaries(TEXT, TEXT | st.integers(-(2**63), 2**63 - 1), max_size=5),
    expires_in_seconds=st.none() | st.floats(0, 1e6),
    persistent=st.booleans(),
)
FAULTS = st.builds(
    Fault,
    error=TEXT,
    message=TEXT,
    stack=TEXT,
    attempts=st.integers(0, 2**31),
    host=TEXT,
    failed_at=st.datetimes(timezones=st.just(UTC)),
)


@given(MESSAGES)
def test_a_message_comes_back_whole(message: Message) -> None:
    properties = decode_properties(encode_properties(message, now=1_000.0))
    kept = Kept(
        id=1, queue="q", sequence=2, deliveries=3, size=4, properties=properties, fault=None
    )

    entry = recovered(kept, monotonic_minus_unix=-900.0)

    assert entry.message == message
    assert (entry.id, entry.sequence, entry.deliveries, entry.size) == (1, 2, 3, 4)
    assert not entry.resident
    if message.expires_in_seconds is None:
        assert entry.expires_at is None
    else:
        assert entry.expires_at is not None
        assert abs(entry.expires_at - (100.0 + message.expires_in_seconds)) < 1e-6


@given(FAULTS)
def test_a_fault_comes_back_whole(fault: Fault) -> None:
    assert decode_fault(encode_fault(fault)) == fault
