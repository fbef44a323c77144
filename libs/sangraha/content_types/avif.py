"""AVIF (ISO/IEC 23008-12 in the boxes of ISO/IEC 14496-12): boxes, and where the pixels are."""

import struct
from collections.abc import Iterator
from typing import Final

from sangraha.content_types.damage import MAX_PARTS, broken, cut_off, too_many_parts
from sangraha.content_types.seen import Seen, Unseen

NOUN: Final = "AVIF image"
_BOX: Final = struct.Struct(">I4s")
_LARGE: Final = struct.Struct(">Q")
_KNOWN: Final = frozenset({b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"uuid", b"moof"})


def examine(seen: Seen) -> bool:
    """Whether this is an AVIF image or sequence. Raises DamagedContent for a damaged one."""
    brands = _brands(seen.head)
    if not brands & {b"avif", b"avis"}:
        return False
    found: dict[bytes, memoryview] = {}
    try:
        for name, content in _boxes(memoryview(seen.head), seen.size, stop_at_junk=True):
            found.setdefault(name, content)
    except Unseen:
        if b"meta" not in found:
            return True
    else:
        _check_found(found, seen.head)
    if b"meta" in found:
        _check_items(found[b"meta"][4:], seen.size)
    return True


def _check_found(found: dict[bytes, memoryview], body: bytes) -> None:
    """The boxes of which an image, or a sequence, is made are there."""
    if b"meta" not in found and b"moov" not in found:
        raise cut_off(NOUN)
    if body[8:12] == b"avis" and b"moov" not in found:
        raise cut_off(NOUN)


def _brands(body: bytes) -> set[bytes]:
    """The brands of the file type box; none if the body does not start with one."""
    if len(body) < 12 or body[4:8] != b"ftyp":
        return set()
    end = min(_BOX.unpack_from(body)[0], len(body), 256)
    return {body[8:12], *(body[at : at + 4] for at in range(16, end, 4))}


def _boxes(
    view: memoryview, whole: int, *, stop_at_junk: bool
) -> Iterator[tuple[bytes, memoryview]]:
    """Every box with its content in `whole` bytes that begin with `view`.

    What follows the last known box may be junk. Raises Unseen for what does not end within the
    view.
    """
    at = 0
    for _ in range(MAX_PARTS):
        if at + 8 > whole:
            if at < whole and not stop_at_junk:
                raise cut_off(NOUN)
            return
        if at + 8 > len(view):
            raise Unseen
        size, name = _BOX.unpack_from(view, at)
        head = 8
        if size == 1:
            if at + 16 > whole:
                raise cut_off(NOUN)
            if at + 16 > len(view):
                raise Unseen
            (size,) = _LARGE.unpack_from(view, at + 8)
            head = 16
        elif size == 0:
            size = whole - at
        if size < head or at + size > whole:
            if stop_at_junk and name not in _KNOWN:
                return
            raise cut_off(NOUN) if size >= head else broken(NOUN, "a box has no valid size")
        if at + size > len(view):
            raise Unseen
        yield name, view[at + head : at + size]
        at += size
    raise too_many_parts(NOUN)


def _check_items(meta: memoryview, file_size: int) -> None:
    """Every extent of the item location box lies within the file, or within the idat box."""
    boxes = dict(_boxes(meta, len(meta), stop_at_junk=False))
    if b"iloc" not in boxes:
        raise broken(NOUN, "it does not say where its pixels are")
    limits = {0: file_size, 1: len(boxes.get(b"idat", b""))}
    ends = 0
    try:
        for method, end in _extents(_Fields(boxes[b"iloc"])):
            ends += 1
            # Extents without any field take no bytes: the length of the body bounds nothing.
            if ends > MAX_PARTS:
                raise too_many_parts(NOUN)
            if end > limits.get(method, end):
                raise cut_off(NOUN)
    except IndexError:
        raise broken(NOUN, "its item locations are not whole") from None
    if not ends:
        raise broken(NOUN, "it has no pixels")


class _Fields:
    """Big-endian integers of any width, one after the other; IndexError past the end."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._at = 0

    def next(self, size: int) -> int:
        after = self._at + size
        if after > len(self._view):
            raise IndexError
        value = int.from_bytes(self._view[self._at : after], "big")
        self._at = after
        return value


def _extents(fields: _Fields) -> Iterator[tuple[int, int]]:
    """The construction method and end of every extent (ISO/IEC 14496-12, 8.11.3)."""
    version = fields.next(4) >> 24
    sizes = fields.next(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version in (1, 2) else 0
    for item in range(fields.next(4 if version == 2 else 2)):
        if item > MAX_PARTS:
            raise too_many_parts(NOUN)
        fields.next(4 if version == 2 else 2)
        method = fields.next(2) & 15 if version in (1, 2) else 0
        fields.next(2)
        base = fields.next(base_size)
        count = fields.next(2)
        for _ in range(count):
            fields.next(index_size)
            yield method, base + fields.next(offset_size) + fields.next(length_size)
