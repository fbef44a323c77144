"""GIF (87a and 89a): blocks from the screen descriptor to the trailer."""

from typing import Final

from sangraha.content_types.damage import broken, cut_off

NOUN: Final = "GIF image"
_SIGNATURES: Final = (b"GIF87a", b"GIF89a")
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B


def examine(body: bytes) -> bool:
    """Whether this is a GIF image. Raises DamagedContent for a damaged one."""
    if not body.startswith(_SIGNATURES):
        return False
    try:
        _walk(body)
    except IndexError:
        raise cut_off(NOUN) from None
    return True


def _walk(body: bytes) -> None:
    """Step over every block; running off the end of the body is an IndexError."""
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
