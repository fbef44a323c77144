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
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from sangraha.buckets import DEFAULT_BUCKET, Bucket, BucketPage, BucketSettings
from sangraha.content_types.seen import Seen
from sangraha.errors import Problem, UndecodableMessage
from sangraha.objects import (
    Location,
    NamePage,
    ObjectInfo,
    ObjectPage,
    ObjectType,
    StoredObject,
    VersionPage,
)

FORMAT_VERSION: Final = 2
_MAGIC: Final = b"SG"
_FRAME: Final = struct.Struct(">2sBBI")


class Inline(msgspec.Struct, frozen=True, tag_field="content", tag="inline"):
    """A body that travels inside the message."""

    body: bytes

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return len(self.body)


class Claimed(msgspec.Struct, frozen=True, kw_only=True, tag_field="content", tag="claimed"):
    """A body that waits in the store at `key` (claim check), and what was seen of it on its way."""

    key: str
    sha256: str
    seen: Seen

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self.seen.size


class Precondition(msgspec.Struct, frozen=True, kw_only=True):
    """What must hold of the current version when the request is committed (RFC 9110, section 13).

    Both are SHA-256 digests, or "*" for any; None where the client sent no such header.
    """

    if_match: list[str] | None = None
    if_none_match: list[str] | None = None


class _Request(msgspec.Struct, frozen=True, kw_only=True, tag_field="operation"):
    """What every write has."""

    request_id: UUID
    correlation_id: str | None = None
    traceparent: str | None = None


class CreateObject(_Request, frozen=True, kw_only=True, tag="create"):
    """Keep this content as a new object whose id is `request_id`, under `name` if there is one.

    `allowed` are the types the address takes, as in BucketSettings.allowed_types; the bucket's own
    are judged as well. The worker decides what the bytes are; `declared_content_type` only refines
    that. `came_at` is when all of the body had come: until then the request has not been made, so
    this and not the id's time decides what it goes on top of.
    """

    came_at: datetime | None = None
    bucket: str = DEFAULT_BUCKET
    name: str | None = None
    precondition: Precondition | None = None
    allowed: list[str] = []
    file_name: str | None = None
    declared_content_type: str | None = None
    content_encoding: str | None = None
    metadata: dict[str, str] = {}
    content: Inline | Claimed


class DeleteName(_Request, frozen=True, kw_only=True, tag="delete-name"):
    """Put a marker on top of the name's versions: from then on there is nothing at that name."""

    bucket: str
    name: str
    precondition: Precondition | None = None


class DeleteObject(_Request, frozen=True, kw_only=True, tag="delete"):
    """Remove this one version for good."""

    object_id: UUID
    precondition: Precondition | None = None


class PatchInfo(_Request, frozen=True, kw_only=True, tag="patch-info"):
    """Merge `metadata` into the object's own (RFC 7396): None removes a key.

    `revisions` are those that If-Match names, one of which the description must have; None is any.
    """

    object_id: UUID
    metadata: dict[str, str | None]
    revisions: list[int] | None = None


class CopyObject(_Request, frozen=True, kw_only=True, tag="copy"):
    """Make a new object, whose id is `request_id`, of the same bytes.

    A `name` that is taken is refused unless `overwrite` says otherwise. `metadata` replaces the
    source's where it is given.
    """

    object_id: UUID
    bucket: str
    name: str | None = None
    overwrite: bool = False
    metadata: dict[str, str] | None = None


class MoveObject(_Request, frozen=True, kw_only=True, tag="move"):
    """Give the object another name, in this or another bucket; it keeps its id.

    If it was current, there is nothing at its old name afterwards.
    """

    object_id: UUID
    bucket: str
    name: str
    overwrite: bool = False


class CreateBucket(_Request, frozen=True, kw_only=True, tag="create-bucket"):
    """Make a bucket."""

    bucket: str
    settings: BucketSettings


class PatchBucket(_Request, frozen=True, kw_only=True, tag="patch-bucket"):
    """Change some of a bucket's settings: `changes` is a JSON merge patch (RFC 7396) that was
    checked. `revisions` are as in PatchInfo.
    """

    bucket: str
    changes: dict[str, Any]
    revisions: list[int] | None = None


class DeleteBucket(_Request, frozen=True, kw_only=True, tag="delete-bucket"):
    """Remove a bucket that is empty; with `purge` all that is in it, too, in the background."""

    bucket: str
    purge: bool = False


Change = (
    DeleteName
    | DeleteObject
    | PatchInfo
    | CopyObject
    | MoveObject
    | CreateBucket
    | PatchBucket
    | DeleteBucket
)
"""Writes that bring no bytes."""

WriteRequest = CreateObject | Change


class WriteGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Writes that travel, are stored and are committed together."""

    group_id: UUID
    requests: list[WriteRequest]


class Done(msgspec.Struct, frozen=True, kw_only=True, tag_field="outcome", tag="done"):
    """The write was committed.

    `object` is what it made or changed, with its `revision` where that was changed; `bucket`
    likewise; both are None for what was deleted. `replaced` says that the name had a current
    version before.
    """

    request_id: UUID
    object: StoredObject | None = None
    revision: int | None = None
    bucket: Bucket | None = None
    replaced: bool = False


class Underway(msgspec.Struct, frozen=True, kw_only=True, tag_field="outcome", tag="underway"):
    """The write was begun and goes on in the background: `done` of `total` objects so far."""

    request_id: UUID
    done: int
    total: int


class Rejected(msgspec.Struct, frozen=True, kw_only=True, tag_field="outcome", tag="rejected"):
    """The write was judged and refused; nothing of it was kept."""

    request_id: UUID
    problem: Problem


class Dead(msgspec.Struct, frozen=True, kw_only=True, tag_field="outcome", tag="dead"):
    """The write failed for a reason of ours and waits as a dead letter, or on its queue again."""

    request_id: UUID
    problem: Problem

    @property
    def is_redriven(self) -> bool:
        """Whether its letter was redriven: it is on its way again, and may come to anything."""
        return "redriven_at" in self.problem.members


WriteOutcome = Done | Underway | Rejected | Dead


def goes_on(outcome: WriteOutcome) -> bool:
    """Whether it is not the end: a write in the background, or one whose letter was redriven."""
    return isinstance(outcome, Underway) or (isinstance(outcome, Dead) and outcome.is_redriven)


class WriteReplies(msgspec.Struct, frozen=True, kw_only=True):
    """How each request of a write group ended."""

    group_id: UUID
    outcomes: list[WriteOutcome]


class _Read(msgspec.Struct, frozen=True, kw_only=True, tag_field="operation"):
    """What every read has."""

    read_id: UUID
    correlation_id: str | None = None
    traceparent: str | None = None


class GetObject(_Read, frozen=True, kw_only=True, tag="get"):
    """Read one object by its id. The body, or where it is large its location, comes along unless
    `want_body` is false or its digest is known.

    `known_sha256` are the digests the client already has (If-None-Match), "*" for any.
    """

    object_id: UUID
    want_body: bool = True
    known_sha256: list[str] = []


class GetNamed(_Read, frozen=True, kw_only=True, tag="get-named"):
    """Likewise the current version of a name, or the one of that number."""

    bucket: str
    name: str
    version: int | None = None
    want_body: bool = True
    known_sha256: list[str] = []


class ListObjects(_Read, frozen=True, kw_only=True, tag="list"):
    """One page of the default bucket's current objects, newest first."""

    type: ObjectType | None = None
    page: int = 1
    page_size: int = 20


class ListNames(_Read, frozen=True, kw_only=True, tag="list-names"):
    """One page of a bucket's names that start with `prefix`, after `cursor` (an earlier page's).

    `created_after` and `metadata` (every key has that value) leave out the others.
    """

    bucket: str
    prefix: str = ""
    delimiter: str | None = None
    cursor: str | None = None
    limit: int = 100
    type: ObjectType | None = None
    created_after: datetime | None = None
    metadata: dict[str, str] = {}


class ListVersions(_Read, frozen=True, kw_only=True, tag="list-versions"):
    """One page of the versions of a name."""

    bucket: str
    name: str
    cursor: str | None = None
    limit: int = 100


class GetBucket(_Read, frozen=True, kw_only=True, tag="get-bucket"):
    """Read a bucket's description."""

    bucket: str


class ListBuckets(_Read, frozen=True, kw_only=True, tag="list-buckets"):
    """One page of the buckets."""

    cursor: str | None = None
    limit: int = 100


ReadRequest = (
    GetObject | GetNamed | ListObjects | ListNames | ListVersions | GetBucket | ListBuckets
)


class ReadGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Reads that travel together."""

    group_id: UUID
    requests: list[ReadRequest]


class Found(msgspec.Struct, frozen=True, kw_only=True, tag_field="outcome", tag="found"):
    """The object. `known` says that its digest was among those the client has.

    Where the body was wanted and is not known, it is in `body`, or, where it is large, at
    `location` in the store. `max_age_seconds` is how long the client may keep it unasked,
    `modified_at` since when the address has given these bytes.
    """

    read_id: UUID
    object: ObjectInfo
    max_age_seconds: int
    modified_at: datetime
    known: bool = False
    body: bytes | None = None
    location: Location | None = None


class Listed(msgspec.Struct, frozen=True, kw_only=True, tag_field="outcome", tag="listed"):
    """A page of objects."""

    read_id: UUID
    page: ObjectPage


class NamesListed(msgspec.Struct, frozen=True, kw_only=True, tag_field="outcome", tag="names"):
    """A page of names."""

    read_id: UUID
    page: NamePage


class VersionsListed(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="outcome", tag="versions"
):
    """A page of versions."""

    read_id: UUID
    page: VersionPage


class BucketFound(msgspec.Struct, frozen=True, kw_only=True, tag_field="outcome", tag="bucket"):
    """The bucket."""

    read_id: UUID
    bucket: Bucket


class BucketsListed(msgspec.Struct, frozen=True, kw_only=True, tag_field="outcome", tag="buckets"):
    """A page of buckets."""

    read_id: UUID
    page: BucketPage


class ReadFailed(msgspec.Struct, frozen=True, kw_only=True, tag_field="outcome", tag="failed"):
    """The read could not be done."""

    read_id: UUID
    problem: Problem


ReadOutcome = (
    Found | Listed | NamesListed | VersionsListed | BucketFound | BucketsListed | ReadFailed
)


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
