"""Byte ranges (RFC 9110, section 14): which bytes a Range asks for, and several in one answer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sangraha.errors import RangeNotSatisfiable

MAX_RANGES: Final = 50
_UNIT: Final = re.compile(r"bytes=", re.IGNORECASE)
_SPEC: Final = re.compile(r"([0-9]*)-([0-9]*)")
_BEYOND: Final = 2**63


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes these are."""
        return self.last - self.first + 1


Ranges = tuple[ByteRange, ...]
"""None at all: the whole. One: a part. Several: parts that neither overlap nor touch."""


def parse_range(header: str | None, size: int) -> Ranges:
    """The ranges of `size` bytes that a Range field asks for, in its order.

    The whole is the answer to no field, another unit, a syntax error, more than MAX_RANGES ranges,
    and ranges that together ask for more bytes than there are (section 14.2 lets a server ignore
    such). Ranges that overlap or touch become one, at the place of the first.

    Raises RangeNotSatisfiable, with the size, where not one byte of them is there.
    """
    specs = _specs(header or "")
    if not specs or len(specs) > MAX_RANGES:
        return ()
    if size == 0 and any(first is None and last for first, last in specs):
        # The last bytes of nothing are all of it (section 14.1.2), but no range can say so.
        return ()
    asked = [found for first, last in specs if (found := _satisfied(first, last, size))]
    if not asked:
        raise RangeNotSatisfiable(f"the object has {size} bytes", size=size)
    if sum(one.length for one in asked) > size:
        return ()
    return _coalesced(asked)


def content_range(part: ByteRange, size: int) -> str:
    """The Content-Range of one part of `size` bytes (section 14.4)."""
    return f"bytes {part.first}-{part.last}/{size}"


@dataclass(frozen=True, slots=True)
class Part:
    """What stands before the bytes of a range, and which bytes these are."""

    head: bytes
    range: ByteRange


@dataclass(frozen=True, slots=True)
class Multipart:
    """The frame of a multipart/byteranges body (section 14.6); `content_length` is all of it."""

    content_type: str
    content_length: int
    parts: tuple[Part, ...]
    end: bytes


def byteranges_parts(
    ranges: Sequence[ByteRange], size: int, content_type: str, boundary: str
) -> Multipart:
    """The frame for these ranges of `size` bytes of a type.

    The boundary must not occur in the bytes: take at least 128 random bits.
    """
    delimiter = f"--{boundary}".encode("ascii")
    parts = []
    for index, one in enumerate(ranges):
        lines = [
            b"\r\n" + delimiter if index else delimiter,
            b"Content-Type: " + content_type.encode("latin-1"),
            b"Content-Range: " + content_range(one, size).encode("ascii"),
            b"\r\n",
        ]
        parts.append(Part(b"\r\n".join(lines), one))
    end = b"\r\n" + delimiter + b"--\r\n"
    return Multipart(
        f"multipart/byteranges; boundary={boundary}",
        sum(len(part.head) + part.range.length for part in parts) + len(end),
        tuple(parts),
        end,
    )


def _specs(header: str) -> list[tuple[int | None, int | None]]:
    """First and last position of each range-spec (section 14.1.1); none for no range set."""
    unit = _UNIT.match(header)
    if unit is None:
        return []
    specs = []
    for text in header[unit.end() :].split(","):
        item = text.strip(" \t")
        if not item:
            continue
        found = _SPEC.fullmatch(item)
        if found is None or item == "-":
            return []
        first, last = _number(found[1]), _number(found[2])
        if first is not None and last is not None and last < first:
            return []
        specs.append((first, last))
    return specs


def _number(digits: str) -> int | None:
    """Its value; no more than _BEYOND, which lies outside every object."""
    if not digits:
        return None
    significant = digits.lstrip("0") or "0"
    return int(significant) if len(significant) < 19 else _BEYOND


def _satisfied(first: int | None, last: int | None, size: int) -> ByteRange | None:
    if first is None:
        length = min(last or 0, size)
        return ByteRange(size - length, size - 1) if length else None
    if first >= size:
        return None
    return ByteRange(first, size - 1 if last is None else min(last, size - 1))


def _coalesced(asked: Sequence[ByteRange]) -> Ranges:
    merged: list[tuple[int, ByteRange]] = []
    for place, one in sorted(enumerate(asked), key=lambda item: item[1].first):
        if merged and one.first <= merged[-1][1].last + 1:
            earlier, before = merged.pop()
            joined = ByteRange(before.first, max(before.last, one.last))
            merged.append((min(earlier, place), joined))
        else:
            merged.append((place, one))
    return tuple(one for _, one in sorted(merged, key=lambda item: item[0]))
