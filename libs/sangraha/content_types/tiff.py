"""TIFF 6.0 and BigTIFF: every directory, and every strip and tile they name, is in the file.

Camera raw files that are TIFFs inside (DNG, NEF) are taken for what their structure is: TIFF.
"""

import struct
from contextlib import suppress
from typing import Final

from sangraha.content_types.damage import broken, cut_off
from sangraha.content_types.seen import Seen, Unseen

NOUN: Final = "TIFF image"
MAX_DIRECTORIES: Final = 10_000
_SIGNATURES: Final = {
    b"II*\0": ("<", 0),
    b"MM\0*": (">", 0),
    b"II+\0": ("<", 1),
    b"MM\0+": (">", 1),
}
_TYPE_SIZES: Final = {
    **{1: 1, 2: 1, 6: 1, 7: 1, 3: 2, 8: 2, 4: 4, 9: 4, 11: 4, 13: 4},
    **{5: 8, 10: 8, 12: 8, 16: 8, 17: 8, 18: 8},
}
_INTEGERS: Final = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_WIDTH: Final = 256
# Strips, tiles, and the JPEG stream of old-style JPEG and of thumbnails: offsets and byte counts.
_PIXELS: Final = ((273, 279), (324, 325), (513, 514))
_SUBDIRECTORIES: Final = (330, 34665, 34853)

_Entry = tuple[int, int, bytes]


def examine(seen: Seen) -> bool:
    """Whether this is a TIFF image. Raises DamagedContent for a damaged one."""
    signature = seen.head[:4]
    if signature not in _SIGNATURES:
        return False
    _Tiff(seen, *_SIGNATURES[signature]).check()
    return True


class _Tiff:
    """One walk. Directories and the arrays they name never overlap in a real file, so together
    they cannot be longer than it: this bounds what a hostile one can make us read.
    """

    def __init__(self, seen: Seen, order: str, big: int) -> None:
        self._seen = seen
        self._order = order
        self._unread = seen.size
        self._offset = struct.Struct(order + "IQ"[big])
        self._count = struct.Struct(order + "HQ"[big])
        self._entry = struct.Struct(order + ("HHI4s", "HHQ8s")[big])
        self._first_at = (4, 8)[big]

    def check(self) -> None:
        at = self._number(self._offset, self._first_at)
        pages, others = [at], list[int]()
        visited = set[int]()
        while pages or others:
            is_page = bool(pages)
            at = (pages or others).pop()
            if at in visited:
                if is_page:
                    raise broken(NOUN, "its directories form a loop")
                continue
            visited.add(at)
            if len(visited) > MAX_DIRECTORIES:
                raise broken(NOUN, f"it has more than {MAX_DIRECTORIES:,} directories")
            with suppress(Unseen):
                entries, following = self._directory(at)
                if following and is_page:
                    pages.append(following)
                self._check_pixels(entries, is_page)
                others += [sub for tag in _SUBDIRECTORIES for sub in self._values(entries.get(tag))]

    def _check_pixels(self, entries: dict[int, _Entry], is_page: bool) -> None:
        has_pixels = False
        for offsets_tag, counts_tag in _PIXELS:
            if offsets_tag not in entries:
                continue
            offsets, counts = (self._values(entries.get(tag)) for tag in (offsets_tag, counts_tag))
            if not offsets or len(offsets) != len(counts):
                raise broken(NOUN, "it does not say how long its pixels are")
            if max(map(int.__add__, offsets, counts)) > self._seen.size:
                raise cut_off(NOUN)
            has_pixels = True
        if not is_page:
            return
        if not has_pixels:
            raise broken(NOUN, "it has no pixels")
        if not (any(self._values(entries.get(_WIDTH))) or 513 in entries):
            raise broken(NOUN, "it has no width")

    def _directory(self, at: int) -> tuple[dict[int, _Entry], int]:
        """The entries of the directory at `at` by their tag, and where the next one is (0: none).

        Values that lie elsewhere are checked to be in the file.
        """
        count = self._number(self._count, at)
        at += self._count.size
        if not count:
            raise broken(NOUN, "one of its directories is empty")
        size = count * self._entry.size
        entries = {}
        for tag, kind, values, raw in self._entry.iter_unpack(self._read(at, size)):
            if (_TYPE_SIZES.get(kind, 0) * values) > len(raw):
                (elsewhere,) = self._offset.unpack(raw)
                if elsewhere + _TYPE_SIZES[kind] * values > self._seen.size:
                    raise cut_off(NOUN)
            entries[tag] = (kind, values, raw)
        return entries, self._number(self._offset, at + size)

    def _values(self, entry: _Entry | None) -> tuple[int, ...]:
        """The integers of an entry; none where there is no entry or they are no integers."""
        if entry is None or entry[0] not in _INTEGERS:
            return ()
        kind, count, raw = entry
        size = _TYPE_SIZES[kind] * count
        form = f"{self._order}{count}{_INTEGERS[kind]}"
        if size <= len(raw):
            return struct.unpack_from(form, raw)
        (at,) = self._offset.unpack(raw)
        return struct.unpack(form, self._read(at, size))

    def _number(self, form: struct.Struct, at: int) -> int:
        return int(form.unpack(self._read(at, form.size))[0])

    def _read(self, at: int, size: int) -> bytes:
        """Raises Unseen for what is in the file but not at hand."""
        if at + size > self._seen.size:
            raise cut_off(NOUN)
        self._unread -= size
        if self._unread < 0:
            raise broken(NOUN, "its directories overlap")
        return self._seen.at(at, size)
