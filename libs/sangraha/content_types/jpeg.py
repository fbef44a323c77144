"""JPEG (ITU-T T.81, annex B): markers and segments from SOI to EOI, scans skipped over.

Thumbnails lie inside segments, so that their own end markers are never taken for the image's.
"""

import re
import struct
from typing import Final

from sangraha.content_types.damage import MAX_PARTS, broken, cut_off, too_many_parts
from sangraha.content_types.seen import Seen, Unseen

NOUN: Final = "JPEG image"
_SIGNATURE: Final = b"\xff\xd8\xff"
_LENGTH: Final = struct.Struct(">H")
_WIDTH: Final = struct.Struct(">H")
_END, _SCAN = 0xD9, 0xDA
_END_MARKER: Final = b"\xff\xd9"
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD9)})
# Within a scan FF 00 is a stuffed byte, FF D0..D7 a restart and FF 01..BF reserved (or, in
# JPEG-LS, data): what ends the scan is any other marker.
_FILL: Final = re.compile(rb"\xff+")
_AFTER_SCAN: Final = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")


def examine(seen: Seen) -> bool:
    """Whether this is a JPEG image. Raises DamagedContent for a damaged one."""
    body = seen.head
    if not body.startswith(_SIGNATURE):
        return False
    at = 2
    has_frame = has_scan = False
    for _ in range(MAX_PARTS):
        try:
            at, marker = _marker(seen, at)
            if marker == _END:
                if not has_scan:
                    raise broken(NOUN, "it has no pixels")
                return True
            if marker in _WITHOUT_LENGTH:
                continue
            length = _length(seen, at)
            if marker in _FRAMES:
                if length < 8 or _WIDTH.unpack(seen.at(at + 5, 2)) == (0,):
                    raise broken(NOUN, "its frame has no width")
                has_frame = True
            at += length
            if marker == _SCAN:
                if not has_frame:
                    raise broken(NOUN, "its pixels come before their frame")
                has_scan = True
                at = _after_scan(seen, at)
        except Unseen:
            return _has_end(seen, at)
    raise too_many_parts(NOUN)


def _length(seen: Seen, at: int) -> int:
    """The length of the segment at `at`, which is whole."""
    if at + 2 > seen.size:
        raise cut_off(NOUN)
    length = int(_LENGTH.unpack(seen.at(at, 2))[0])
    if at + length > seen.size:
        raise cut_off(NOUN)
    if length < 2:
        raise broken(NOUN, "one of its segments has no valid length")
    return length


def _marker(seen: Seen, at: int) -> tuple[int, int]:
    """Where the marker at `at` ends, and which it is; any number of FF may fill before it."""
    body = seen.head
    if at < len(body) and body[at] != 0xFF:
        raise broken(NOUN, f"there is no marker at byte {at:,}")
    fill = _FILL.match(body, at)
    at = fill.end() if fill else at
    if at >= len(body):
        raise _beyond(seen)
    if body[at] == 0:
        raise broken(NOUN, f"there is no marker at byte {at:,}")
    return at + 1, body[at]


def _after_scan(seen: Seen, at: int) -> int:
    found = _AFTER_SCAN.search(seen.head, at)
    if found is None:
        raise _beyond(seen)
    return found.start()


def _beyond(seen: Seen) -> Exception:
    return cut_off(NOUN) if seen.is_whole else Unseen()


def _has_end(seen: Seen, after: int) -> bool:
    """True where the end marker is at the end; else raises DamagedContent."""
    if _END_MARKER not in seen.tail_from(after):
        raise cut_off(NOUN)
    return True
