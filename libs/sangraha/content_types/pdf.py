"""PDF (ISO 32000-2, 7.5): both ends, and the cross-reference that the end points to.

Objects are not read. Like other readers it forgives white space before the header and a little
junk after the end.
"""

import re
from typing import Final

from sangraha.content_types.damage import broken, cut_off
from sangraha.content_types.seen import Seen

NOUN: Final = "PDF document"
_HEADER: Final = re.compile(rb"(?:\xef\xbb\xbf)?[\0\t\n\f\r ]{0,1024}%PDF-")
_END: Final = b"%%EOF"
_MAX_JUNK: Final = 1024
_MAX_START: Final = 64
_START: Final = re.compile(rb"startxref[\0\t\n\f\r ]+(\d{1,12})[\0\t\n\f\r ]*\Z")
_REFERENCES: Final = re.compile(
    rb"[\0\t\n\f\r ]*(?:(xref)|\d{1,10}[\0\t\n\f\r ]+\d{1,5}[\0\t\n\f\r ]+obj)"
)
_UPDATE: Final = re.compile(rb"\d[\0\t\n\f\r ]+\d{1,5}[\0\t\n\f\r ]+obj")
_LINEARIZED: Final = re.compile(rb"/Linearized\b.{0,512}?/L[\0\t\n\f\r ]*(\d{1,12})", re.DOTALL)


def examine(seen: Seen) -> bool:
    """Whether this is a PDF document. Raises DamagedContent for a damaged one."""
    header = _HEADER.match(seen.head)
    if header is None:
        return False
    start = header.end() - len(b"%PDF-")
    last = seen.head if seen.is_whole else seen.tail
    end = last.rfind(_END)
    # What was appended after an end marker and then cut shows by the object that it began.
    if end < 0 or len(last) - end > _MAX_JUNK + len(_END) or _UPDATE.search(last, end):
        raise cut_off(NOUN)
    # The first part of a linearized document has an end marker too; it promises the whole length.
    linearized = _LINEARIZED.search(seen.head, start, start + 1024)
    if linearized and start + int(linearized[1]) > seen.size:
        raise cut_off(NOUN)
    found = _START.search(last, max(0, end - _MAX_START), end)
    if found is None:
        if end < _MAX_START and not seen.is_whole:
            return True
        raise broken(NOUN, "its last line does not say where its cross-reference is")
    if not any(
        _has_references(seen, last, at, end) for at in (start + int(found[1]), int(found[1]))
    ):
        raise broken(NOUN, "its cross-reference is not where its last line says")
    return True


def _has_references(seen: Seen, last: bytes, at: int, end: int) -> bool:
    """Whether there is a cross-reference at `at`, before the `end` that lies in the `last` bytes.

    What was not seen may be one.
    """
    in_last = at - (seen.size - len(last))
    if in_last < 0:
        is_seen = at + _MAX_START <= len(seen.head)
        return not is_seen or _REFERENCES.match(seen.head, at) is not None
    references = _REFERENCES.match(last, min(in_last, end), end)
    return references is not None and (not references[1] or last.find(b"trailer", in_last, end) > 0)
