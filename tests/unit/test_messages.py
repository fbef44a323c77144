"""The wire format byte by byte: what other versions and tools may rely on."""

import struct
import zlib
from uuid import UUID

import msgspec
import pytest

from sangraha.content_types.seen import Seen
from sangraha.errors import UndecodableMessage
from sangraha.messages import (
    Claimed,
    CreateObject,
    Inline,
    ReadGroup,
    WriteGroup,
    WriteReplies,
    decode,
    encode,
)

REQUEST = CreateObject(
    request_id=UUID(int=1),
    allowed=["json"],
    content=Inline(b'{"a": 1}'),
)
GROUP = WriteGroup(group_id=UUID(int=2), requests=[REQUEST])


def test_a_message_is_a_frame_and_a_messagepack_document() -> None:
    message = encode(GROUP)
    assert message[:4] == b"SG\x02\x01"
    assert message[4:8] == struct.pack(">I", zlib.crc32(message[8:]))
    document = msgspec.msgpack.decode(message[8:])
    assert document["group_id"] == UUID(int=2).bytes
    assert document["requests"][0]["operation"] == "create"
    assert document["requests"][0]["content"]["content"] == "inline"


def test_bodies_travel_as_raw_bytes() -> None:
    body = bytes(range(256)) * 4096
    request = msgspec.structs.replace(REQUEST, content=Inline(body))
    message = encode(WriteGroup(group_id=UUID(int=2), requests=[request]))
    assert body in message
    assert len(message) < len(body) + 400


def test_a_claimed_body_stays_where_it_is_however_large() -> None:
    seen = Seen(size=5 * 1024**4, head=b"h" * 4096, tail=b"t" * 1024)
    claimed = Claimed(key="default/objects/1", sha256="0" * 64, seen=seen)
    request = msgspec.structs.replace(REQUEST, content=claimed)
    message = encode(WriteGroup(group_id=UUID(int=2), requests=[request]))
    assert len(message) < 4096 + 1024 + 600
    assert decode(WriteGroup, message).requests == [request]
    assert claimed.size == 5 * 1024**4


def test_a_field_added_by_a_later_release_is_ignored() -> None:
    document = msgspec.msgpack.decode(encode(GROUP)[8:])
    document["requests"][0]["added_later"] = [1, 2, 3]
    extended = msgspec.msgpack.encode(document)
    frame = struct.pack(">2sBBI", b"SG", 2, 1, zlib.crc32(extended))
    assert decode(WriteGroup, frame + extended) == GROUP


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"", "0 bytes are too few"),
        (b"SG\x02\x01\0\0\0", "7 bytes are too few"),
        (b'{"a": 1, "b": 2}', "does not start with the mark"),
        (b"SG\x03\x01\0\0\0\0", "format version 3; this reader knows 2"),
        (b"SG\x02\x03\0\0\0\0", "kind 3, where a WriteGroup was expected"),
        (b"SG\x02\x01\0\0\0\x01", "the checksum does not match"),
        (b"SG\x02\x01\0\0\0\0", "not a valid WriteGroup"),
    ],
)
def test_says_why_a_message_is_undecodable(message: bytes, why: str) -> None:
    with pytest.raises(UndecodableMessage) as undecodable:
        decode(WriteGroup, message)
    assert why in undecodable.value.detail


def test_an_empty_group_is_undecodable() -> None:
    with pytest.raises(UndecodableMessage, match="an empty WriteGroup"):
        decode(WriteGroup, encode(WriteGroup(group_id=UUID(int=2), requests=[])))
    with pytest.raises(UndecodableMessage, match="an empty WriteReplies"):
        decode(WriteReplies, encode(WriteReplies(group_id=UUID(int=2), outcomes=[])))
    with pytest.raises(UndecodableMessage, match="an empty ReadGroup"):
        decode(ReadGroup, encode(ReadGroup(group_id=UUID(int=2), requests=[])))


def test_a_message_of_the_first_format_is_refused_with_a_sentence_that_says_so() -> None:
    # As the release before this one wrote it.
    document = msgspec.msgpack.encode(
        {
            "group_id": UUID(int=2).bytes,
            "requests": [
                {
                    "operation": "create",
                    "request_id": UUID(int=1).bytes,
                    "bucket": "default",
                    "allowed": ["json"],
                    "body": b"1",
                }
            ],
        }
    )
    frame = struct.pack(">2sBBI", b"SG", 1, 1, zlib.crc32(document))
    with pytest.raises(UndecodableMessage, match="format version 1; this reader knows 2"):
        decode(WriteGroup, frame + document)
