"""What is done to the journal's file: four operations on single messages, and what a start reads.

They are absolute, so that a list of them may be applied again from its beginning.
"""

from dataclasses import dataclass

import msgspec

from sangraha.broker.protocol import Fault, Message


class Properties(msgspec.Struct, frozen=True, array_like=True):
    """All of a message but its body, as it is kept. `expires_at` is Unix time in seconds."""

    message_id: str
    correlation_id: str | None
    reply_to: str | None
    headers: dict[str, str | int]
    persistent: bool
    expires_in_seconds: float | None
    expires_at: float | None


@dataclass(slots=True)
class Insert:
    """A new message; `deliveries` is 1 where it is handed out as soon as it is committed."""

    id: int
    queue: str
    deliveries: int
    properties: bytes
    body: bytes


@dataclass(slots=True)
class Count:
    """The message is about to be handed out for the `deliveries`-th time; its body is read."""

    id: int
    deliveries: int
    read_body: bool


@dataclass(slots=True)
class Move:
    """The message goes to the end of another queue and tells why; it starts at no deliveries."""

    id: int
    queue: str
    sequence: int
    fault: bytes


@dataclass(slots=True)
class Delete:
    """The message is done with."""

    id: int


Operation = Insert | Count | Move | Delete


@dataclass(slots=True, frozen=True)
class Kept:
    """A message found at the start, without its body, which has `size` bytes."""

    id: int
    queue: str
    sequence: int
    deliveries: int
    size: int
    properties: Properties
    fault: Fault | None


_ENCODER = msgspec.msgpack.Encoder()
_PROPERTIES = msgspec.msgpack.Decoder(Properties)
_FAULT = msgspec.msgpack.Decoder(Fault)


def encode_properties(message: Message, now: float) -> bytes:
    """The message without its body, published at Unix time `now`."""
    expires = message.expires_in_seconds
    return _ENCODER.encode(
        Properties(
            message_id=message.message_id,
            correlation_id=message.correlation_id,
            reply_to=message.reply_to,
            headers=dict(message.headers),
            persistent=message.persistent,
            expires_in_seconds=expires,
            expires_at=None if expires is None else now + expires,
        )
    )


def decode_properties(data: bytes) -> Properties:
    """Raises msgspec.DecodeError where the file is damaged."""
    return _PROPERTIES.decode(data)


def encode_fault(fault: Fault) -> bytes:
    return _ENCODER.encode(fault)


def decode_fault(data: bytes) -> Fault:
    """Raises msgspec.DecodeError where the file is damaged."""
    return _FAULT.decode(data)
