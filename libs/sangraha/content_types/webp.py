"""WebP (RFC 9649): the chunks of its RIFF container."""

import struct
from typing import Final

from sangraha.content_types.damage import MAX_PARTS, broken, cut_off, too_many_parts
from sangraha.content_types.seen import Seen

NOUN: Final = "WebP image"
_CHUNK: Final = struct.Struct("<4sI")
_PIXELS: Final = frozenset({b"VP8 ", b"VP8L", b"ANMF"})


def examine(seen: Seen) -> bool:
    """Whether this is a WebP image. Raises DamagedContent for a damaged one."""
    body = seen.head
    if not (body.startswith(b"RIFF") and body[8:12] == b"WEBP"):
        return False
    end = 8 + _CHUNK.unpack_from(body)[1]
    if end > seen.size:
        raise cut_off(NOUN)
    at = 12
    has_pixels = False
    for _ in range(MAX_PARTS):
        if at + 8 > end:
            if not has_pixels:
                raise broken(NOUN, "it has no pixels")
            return True
        if at + 8 > len(body):
            return True
        name, length = _CHUNK.unpack_from(body, at)
        at += 8 + length
        if at > end:
            raise broken(NOUN, "one of its chunks is longer than the whole")
        has_pixels = has_pixels or (name in _PIXELS and length > 0)
        at += length & 1
    raise too_many_parts(NOUN)
