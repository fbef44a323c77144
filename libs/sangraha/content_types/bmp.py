"""BMP: the size that the headers promise, against the size that is there."""

import struct
from typing import Final

from sangraha.content_types.damage import broken, cut_off
from sangraha.content_types.seen import Seen

NOUN: Final = "BMP image"
_HEADER_SIZES: Final = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_FILE: Final = struct.Struct("<2sIHHII")
_OLD: Final = struct.Struct("<HHHH")
_NEW: Final = struct.Struct("<iiHH")
_COMPRESSION: Final = struct.Struct("<II")
_PROFILE: Final = struct.Struct("<II")
_UNCOMPRESSED: Final = frozenset({0, 3, 6})
_DEPTHS: Final = frozenset({1, 2, 4, 8, 16, 24, 32, 64})


def examine(seen: Seen) -> bool:
    """Whether this is a BMP image. Raises DamagedContent for a damaged one.

    "BM" alone starts many a text: it counts only with one of the known header sizes.
    """
    body = seen.head
    if not body.startswith(b"BM") or len(body) < _FILE.size:
        return False
    _, file_size, _, _, pixels_at, header_size = _FILE.unpack_from(body)
    if header_size not in _HEADER_SIZES:
        return False
    if len(body) < 14 + header_size:
        raise cut_off(NOUN)
    old = header_size == 12
    width, height, _, depth = (_OLD if old else _NEW).unpack_from(body, 18)
    compression, image_size = (0, 0) if header_size < 40 else _COMPRESSION.unpack_from(body, 30)
    if width <= 0 or height == 0 or pixels_at < 14 + header_size:
        raise broken(NOUN, "its headers contradict each other")
    if compression in _UNCOMPRESSED:
        if depth not in _DEPTHS:
            raise broken(NOUN, f"it has {depth} bits a pixel")
        end = pixels_at + (width * depth + 31) // 32 * 4 * abs(height)
    else:
        end = max(pixels_at + max(image_size, 1), file_size)
    if header_size == 124 and body[70:74] == b"DEBM":
        profile_at, profile_size = _PROFILE.unpack_from(body, 126)
        end = max(end, 14 + profile_at + profile_size)
    if end > seen.size:
        raise cut_off(NOUN)
    return True
