"""Any group round-trips; any broken bytes are an UndecodableMessage and nothing else."""

import struct
import zlib
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sangraha.errors import UndecodableMessage
from sangraha.messages import (
    FORMAT_VERSION,
    Group,
    ReadGroup,
    ReadReplies,
    WriteGroup,
    WriteReplies,
    decode,
    encode,
)
from tests.property.message_strategies import groups

KINDS: dict[int, type[Any]] = {1: WriteGroup, 2: WriteReplies, 3: ReadGroup, 4: ReadReplies}
FRAME_BYTES = 8


def read(kind: type[Any], message: bytes) -> Group:
    group: Group = decode(kind, message)
    return group


def framed(kind: int, document: bytes) -> bytes:
    """A message whose frame is right, whatever is in it."""
    return struct.pack(">2sBBI", b"SG", FORMAT_VERSION, kind, zlib.crc32(document)) + document


def decoded_or_undecodable(kind: int, data: bytes) -> None:
    """Nothing but a group of the kind, or UndecodableMessage."""
    with suppress(UndecodableMessage):
        group = read(KINDS[kind], data)
        assert type(group) is KINDS[kind]
        assert group.requests if isinstance(group, WriteGroup | ReadGroup) else group.outcomes


@given(groups)
def test_any_group_comes_back_as_it_was(group: Group) -> None:
    again = read(type(group), encode(group))
    assert again == group
    assert type(again) is type(group)


@given(groups, st.data())
def test_a_flipped_byte_is_noticed(group: Group, data: st.DataObject) -> None:
    message = bytearray(encode(group))
    at = data.draw(st.integers(0, len(message) - 1))
    message[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UndecodableMessage):
        read(type(group), bytes(message))


@given(groups, st.data())
def test_a_cut_message_is_noticed(group: Group, data: st.DataObject) -> None:
    message = encode(group)
    with pytest.raises(UndecodableMessage):
        read(type(group), message[: data.draw(st.integers(0, len(message) - 1))])


@given(groups, st.binary(min_size=1, max_size=50))
def test_an_extended_message_is_noticed(group: Group, more: bytes) -> None:
    with pytest.raises(UndecodableMessage):
        read(type(group), encode(group) + more)
    with pytest.raises(UndecodableMessage):
        read(type(group), more + encode(group))


@given(st.sampled_from(list(KINDS)), st.binary(max_size=200))
def test_random_bytes_are_undecodable(kind: int, data: bytes) -> None:
    assume(not data.startswith(b"SG"))
    with pytest.raises(UndecodableMessage):
        read(KINDS[kind], data)


@given(st.sampled_from(list(KINDS)), st.binary(max_size=200))
def test_random_documents_in_a_right_frame_are_undecodable(kind: int, document: bytes) -> None:
    decoded_or_undecodable(kind, framed(kind, document))


@given(
    groups,
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=5),
    st.integers(0, 10_000),
)
def test_altered_documents_in_a_right_frame_never_crash_the_reader(
    group: Group, changes: list[tuple[int, int]], cut: int
) -> None:
    message = encode(group)
    document = bytearray(message[FRAME_BYTES:])
    for at, value in changes:
        document[at % len(document)] = value
    for body in (bytes(document), bytes(document[: cut % len(document)])):
        decoded_or_undecodable(message[3], framed(message[3], body))


@given(
    st.sampled_from(list(KINDS)),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats()
        | st.text()
        | st.binary()
        | st.builds(msgspec.msgpack.Ext, st.integers(-128, 127), st.binary()),
        lambda values: (
            st.lists(values)
            | st.dictionaries(
                st.sampled_from(["group_id", "requests", "outcomes", "operation", "body"]), values
            )
        ),
        max_leaves=10,
    ),
)
def test_documents_of_other_shapes_never_crash_the_reader(kind: int, value: object) -> None:
    decoded_or_undecodable(kind, framed(kind, msgspec.msgpack.encode(value)))


@pytest.mark.parametrize("kind", KINDS)
def test_endless_nesting_is_undecodable(kind: int) -> None:
    for opener in (b"\x91", b"\x81\xa1a", b"\x82\xa8requests\x91"):
        with pytest.raises(UndecodableMessage):
            read(KINDS[kind], framed(kind, opener * 100_000))


@given(groups, st.integers(0, 255))
def test_another_version_is_told(group: Group, version: int) -> None:
    assume(version != FORMAT_VERSION)
    message = bytearray(encode(group))
    message[2] = version
    with pytest.raises(UndecodableMessage, match=f"version {version}; this reader knows"):
        read(type(group), bytes(message))


@given(groups, st.sampled_from(list(KINDS.values())))
def test_another_kind_is_told(group: Group, expected: type[Any]) -> None:
    assume(expected is not type(group))
    with pytest.raises(UndecodableMessage, match=f"where a {expected.__name__} was expected"):
        read(expected, encode(group))
