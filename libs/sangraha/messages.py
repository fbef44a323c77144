"""The wire format: groups of requests, and groups of replies.

A message is a frame of 8 bytes and a MessagePack document:

    offset 0  "SG"      magic
           2  u8        version of the format
           3  u8        kind of group
           4  u32       CRC-32 of the document, big-endian
           8  ...       the group (MessagePack); bodies in it are raw bytes, ids are 16 bytes

A group carries one or more requests. Decoding either gives a whole, valid group or raises
UndecodableMessage; it never gives part of one.
"""

import struct
import zlib
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from sangraha.errors import Problem, UndecodableMessage
from sangraha.objects import DEFAULT_BUCKET, ObjectPage, ObjectType, StoredObject

FORMAT_VERSION: Final = 1
_MAGIC: Final = b"SG"
_FRAME: Final = struct.Struct(">2sBBI")


class CreateObject(msgspec.Struct, frozen=True, kw_only=True, tag_field="operation", tag="create"):
    """Keep these bytes as a new object whose id is `request_id`.

    `allowed` are the object types the address takes. The worker decides what the bytes are;
    `declared_content_type` only refines that.
    """

    request_id: UUID
    bucket: str = DEFAULT_BUCKET
    allowed: list[ObjectType]
    file_name: str | None = None
    declared_content_type: str | None = None
    metadata: dict[str, str] = {}
    correlation_id: str | None = None
    traceparent: str | None = None
    body: bytes


class WriteGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Writes that travel, are stored and are committed together."""

    group_id: UUID
    requests: list[CreateObject]


class Done(msgspec.Struct, frozen=True, kw_only=True, tag_field="outcome", tag="done"):
    """The write was committed."""

    request_id: UUID
    object: StoredObject


class Rejected(msgspec.Struct, frozen=True, kw_only=True, tag_field="outcome", tag="rejected"):
    """The write was judged and refused; nothing of it was kept."""

    request_id: UUID
    problem: Problem


class Dead(msgspec.Struct, frozen=True, kw_only=True, tag_field="outcome", tag="dead"):
    """The write failed for a reason of ours and waits as a dead letter."""

    request_id: UUID
    problem: Problem


WriteOutcome = Done | Rejected | Dead


class WriteReplies(msgspec.Struct, frozen=True, kw_only=True):
    """How each request of a write group ended."""

    group_id: UUID
    outcomes: list[WriteOutcome]


class GetObject(msgspec.Struct, frozen=True, kw_only=True, tag_field="operation", tag="get"):
    """Read one object. The body comes along unless `want_body` is false or its digest is known.

    `known_sha256` are the digests the client already has (If-None-Match), "*" for any.
    """

    read_id: UUID
    object_id: UUID
    want_body: bool = True
    known_sha256: list[str] = []
    correlation_id: str | None = None
    traceparent: str | None = None


class ListObjects(msgspec.Struct, frozen=True, kw_only=True, tag_field="operation", tag="list"):
    """One page of the default bucket's objects, newest first."""

    read_id: UUID
    type: ObjectType | None = None
    page: int = 1
    page_size: int = 20
    correlation_id: str | None = None
    traceparent: str | None = None


ReadRequest = GetObject | ListObjects


class ReadGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Reads that travel together."""

    group_id: UUID
    requests: list[ReadRequest]


class Found(msgspec.Struct, frozen=True, kw_only=True, tag_field="outcome", tag="found"):
    """The object. `known` says that its digest was among those the client has; `body` is None
    then, or where it was not wanted.
    """

    read_id: UUID
    object: StoredObject
    known: bool = False
    body: bytes | None = None


class Listed(msgspec.Struct, frozen=True, kw_only=True, tag_field="outcome", tag="listed"):
    """A page of a listing."""

    read_id: UUID
    page: ObjectPage


class ReadFailed(msgspec.Struct, frozen=True, kw_only=True, tag_field="outcome", tag="failed"):
    """The read could not be done."""

    read_id: UUID
    problem: Problem


ReadOutcome = Found | Listed | ReadFailed


class ReadReplies(msgspec.Struct, frozen=True, kw_only=True):
    """What each request of a read group came to."""

    group_id: UUID
    outcomes: list[ReadOutcome]


Group = WriteGroup | WriteReplies | ReadGroup | ReadReplies

_KINDS: Final[dict[int, type[Any]]] = {1: WriteGroup, 2: WriteReplies, 3: ReadGroup, 4: ReadReplies}
_KIND_OF: Final = {group: kind for kind, group in _KINDS.items()}
_ENCODER: Final = msgspec.msgpack.Encoder(uuid_format="bytes")
_DECODERS: Final = {kind: msgspec.msgpack.Decoder(group) for kind, group in _KINDS.items()}


def encode(group: Group) -> bytes:
    """The group as the bytes of one message."""
    document = _ENCODER.encode(group)
    frame = _FRAME.pack(_MAGIC, FORMAT_VERSION, _KIND_OF[type(group)], zlib.crc32(document))
    return frame + document


_Group = TypeVar("_Group", WriteGroup, WriteReplies, ReadGroup, ReadReplies)


def decode(kind: type[_Group], data: bytes) -> _Group:
    """The group of that kind in `data`.

    Raises UndecodableMessage, with a sentence that says what is wrong, for anything else.
    """
    if len(data) < _FRAME.size:
        raise UndecodableMessage(f"{len(data)} bytes are too few for a message")
    magic, version, found, checksum = _FRAME.unpack_from(data)
    if magic != _MAGIC:
        raise UndecodableMessage("the message does not start with the mark of the wire format")
    if version != FORMAT_VERSION:
        raise UndecodableMessage(f"format version {version}; this reader knows {FORMAT_VERSION}")
    if found != _KIND_OF[kind]:
        raise UndecodableMessage(f"kind {found}, where a {kind.__name__} was expected")
    document = memoryview(data)[_FRAME.size :]
    if zlib.crc32(document) != checksum:
        raise UndecodableMessage("the checksum does not match: the message was altered or cut")
    try:
        group: _Group = _DECODERS[found].decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise UndecodableMessage(f"not a valid {kind.__name__}: {error}") from error
    if not group.requests if isinstance(group, WriteGroup | ReadGroup) else not group.outcomes:
        raise UndecodableMessage(f"an empty {kind.__name__}")
    return group
