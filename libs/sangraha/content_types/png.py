"""PNG (ISO/IEC 15948, W3C PNG 3rd edition): chunks from IHDR to IEND, with their checksums."""

import struct
import zlib
from typing import Final

from sangraha.content_types.damage import MAX_PARTS, broken, cut_off, too_many_parts
from sangraha.content_types.seen import Seen

NOUN: Final = "PNG image"
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_HEAD: Final = struct.Struct(">I4s")
_CHECKSUM: Final = struct.Struct(">I")
_SIZE: Final = struct.Struct(">II")
_END: Final = b"\0\0\0\0IEND\xae\x42\x60\x82"


def examine(seen: Seen) -> bool:
    """Whether this is a PNG image. Raises DamagedContent for a damaged one.

    Checksums of critical chunks only: readers skip a broken ancillary chunk (section 13.2).
    """
    body = seen.head
    if not body.startswith(_SIGNATURE):
        return False
    view = memoryview(body)
    at = len(_SIGNATURE)
    has_pixels = False
    for part in range(MAX_PARTS):
        if at + 12 > seen.size:
            raise cut_off(NOUN)
        if at + 8 > len(body):
            return _has_end(seen, at)
        length, name = _HEAD.unpack_from(body, at)
        if not name.isalpha():
            raise broken(NOUN, "one of its chunks has no valid name")
        after = at + 12 + length
        if after > seen.size:
            raise cut_off(NOUN)
        if part == 0 and (name != b"IHDR" or length != 13 or 0 in _SIZE.unpack_from(body, at + 8)):
            raise broken(NOUN, "it does not start with a valid IHDR chunk")
        if after > len(body):
            return _has_end(seen, after)
        if name[:1].isupper():
            (checksum,) = _CHECKSUM.unpack_from(body, after - 4)
            if zlib.crc32(view[at + 4 : after - 4]) != checksum:
                raise broken(NOUN, f"the checksum of its {name.decode()} chunk does not match")
        has_pixels = has_pixels or (name == b"IDAT" and length > 0)
        if name == b"IEND":
            if not has_pixels:
                raise broken(NOUN, "it has no pixels")
            return True
        at = after
    raise too_many_parts(NOUN)


def _has_end(seen: Seen, after: int) -> bool:
    """True where the last chunk is at the end; else raises DamagedContent."""
    if _END not in seen.tail_from(after):
        raise cut_off(NOUN)
    return True
