"""Ranges: what may be asked for, and how several parts are framed in one answer."""

from email.parser import BytesParser
from email.policy import HTTP

import pytest

from sangraha.errors import RangeNotSatisfiable
from sangraha.http.problems import problem_response
from sangraha.http.ranges import (
    MAX_RANGES,
    ByteRange,
    byteranges_parts,
    content_range,
    parse_range,
)


def asked(header: str | None, size: int) -> list[tuple[int, int]]:
    return [(one.first, one.last) for one in parse_range(header, size)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        # The examples of RFC 9110, section 14.1.2, of 10,000 bytes.
        ("bytes=0-499", [(0, 499)]),
        ("bytes=500-999", [(500, 999)]),
        ("bytes=-500", [(9500, 9999)]),
        ("bytes=9500-", [(9500, 9999)]),
        ("bytes=0-0,-1", [(0, 0), (9999, 9999)]),
        ("bytes= 0-999, 4500-5499, -1000", [(0, 999), (4500, 5499), (9000, 9999)]),
        ("bytes=500-600,601-999", [(500, 999)]),
        ("bytes=500-700,601-999", [(500, 999)]),
        # Clipped to what is there.
        ("bytes=9999-", [(9999, 9999)]),
        ("bytes=0-9999", [(0, 9999)]),
        ("bytes=0-10000", [(0, 9999)]),
        ("bytes=5-99999999999999999999999999", [(5, 9999)]),
        ("bytes=-10000", [(0, 9999)]),
        ("bytes=-99999999999999999999999999", [(0, 9999)]),
        ("bytes=00000000000000000000000000-0000000000000000000000001", [(0, 1)]),
        # One that lies outside is left out where another is there.
        ("bytes=0-1,20000-", [(0, 1)]),
        ("bytes=-0,3-4", [(3, 4)]),
        # In the order asked for, joined ones at the place of the first.
        ("bytes=500-599,0-99", [(500, 599), (0, 99)]),
        ("bytes=500-599,0-99,600-699", [(500, 699), (0, 99)]),
        ("bytes=600-699,0-99,500-599", [(500, 699), (0, 99)]),
        ("bytes=10-20,0-100,200-300", [(0, 100), (200, 300)]),
        ("BYTES=1-2", [(1, 2)]),
        ("bytes=,1-2,, \t,", [(1, 2)]),
    ],
)
def test_ranges_of_10000_bytes(header: str, expected: list[tuple[int, int]]) -> None:
    assert asked(header, 10_000) == expected


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=--1",
        "bytes=1--2",
        "bytes=2-1",
        "bytes=0-1,2-1",
        "bytes=0-1;2-3",
        "bytes=0 - 1",
        "bytes=a-b",
        "bytes=0x0-0x1",
        "bytes=+1-2",
        "bytes=1",
        "bytes=1-2-3",
        "bytes=٠-١",
        "bytes =0-1",
        "bytes:0-1",
        "items=0-1",
        "xbytes=0-1",
        "bytes=0-1\n",
        "bytes=0-9999,5-5",
        "bytes=" + ",".join(f"{2 * at}-{2 * at}" for at in range(MAX_RANGES + 1)),
    ],
)
def test_what_is_no_range_or_too_much_is_the_whole(header: str | None) -> None:
    assert asked(header, 10_000) == []


def test_as_many_ranges_as_allowed_are_served() -> None:
    header = "bytes=" + ",".join(f"{2 * at}-{2 * at}" for at in range(MAX_RANGES))
    assert len(asked(header, 10_000)) == MAX_RANGES


@pytest.mark.parametrize("header", ["bytes=10000-", "bytes=10000-10001", "bytes=-0", "bytes=-0,-0"])
def test_ranges_of_which_nothing_is_there_are_refused_with_the_size(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as refused:
        parse_range(header, 10_000)
    answer = problem_response(refused.value.problem())
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */10000"


def test_an_empty_object_has_no_byte_but_all_of_its_last_ones() -> None:
    for header in ("bytes=-1", "bytes=-500", "bytes=0-,-5"):
        assert asked(header, 0) == []
    for header in ("bytes=0-", "bytes=0-0", "bytes=-0"):
        with pytest.raises(RangeNotSatisfiable):
            parse_range(header, 0)


def test_content_range_says_which_bytes_of_how_many() -> None:
    assert content_range(ByteRange(0, 499), 1234) == "bytes 0-499/1234"


def test_parts_are_framed_as_mime_says_and_their_length_is_known_before() -> None:
    body = bytes(range(256)) * 40
    ranges = parse_range("bytes=500-999,7000-7999,-3", len(body))
    frame = byteranges_parts(ranges, len(body), "application/pdf", "THIS_STRING_SEPARATES")
    sent = b"".join(
        part.head + body[part.range.first : part.range.last + 1] for part in frame.parts
    )
    sent += frame.end
    assert len(sent) == frame.content_length
    assert frame.content_type == "multipart/byteranges; boundary=THIS_STRING_SEPARATES"
    head = f"Content-Type: {frame.content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + sent)
    assert not message.defects
    parts = list(message.iter_parts())
    assert [part["Content-Range"] for part in parts] == [
        "bytes 500-999/10240",
        "bytes 7000-7999/10240",
        "bytes 10237-10239/10240",
    ]
    assert {part["Content-Type"] for part in parts} == {"application/pdf"}
    contents = [part.get_payload(decode=True) for part in parts]
    assert contents == [body[500:1000], body[7000:8000], body[-3:]]
