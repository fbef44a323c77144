"""GIF (87a and 89a): blocks from the screen descriptor to the trailer."""

from typing import Final

from sangraha.content_types.damage import broken, cut_off
from sangraha.content_types.seen import Seen

NOUN: Final = "GIF image"
_SIGNATURES: Final = (b"GIF87a", b"GIF89a")
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
# A byte like the trailer is everywhere in the pixels: without a walk only padding may follow it.
_END: Final = b"\0;"
_PADDING: Final = b"\0\t\n\r "


def examine(seen: Seen) -> bool:
    """Whether this is a GIF image. Raises DamagedContent for a damaged one."""
    if not seen.head.startswith(_SIGNATURES):
        return False
    try:
        _walk(seen.head)
    except IndexError:
        if seen.is_whole or not seen.tail.rstrip(_PADDING).endswith(_END):
            raise cut_off(NOUN) from None
    return True


def _walk(body: bytes) -> None:
    """Step over every block; running off the end of what is there is an IndexError."""
    at = 13 + _colours(body[10])
    has_pixels = False
    while (block := body[at]) != _TRAILER:
        if block == _EXTENSION:
            at += 2
        elif block == _IMAGE:
            at += 11 + _colours(body[at + 9])
            has_pixels = True
        else:
            raise broken(NOUN, f"there is no block at byte {at:,}")
        while size := body[at]:
            at += size + 1
        at += 1
    if not has_pixels:
        raise broken(NOUN, "it has no pixels")


def _colours(flags: int) -> int:
    """The bytes of the colour table that follows a descriptor with these flags."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
