"""PDF (ISO 32000-2, 7.5): both ends, and the cross-reference that the end points to.

Objects are not read. Like other readers it forgives white space before the header and a little
junk after the end.
"""

import re
from typing import Final

from sangraha.content_types.damage import broken, cut_off

NOUN: Final = "PDF document"
_HEADER: Final = re.compile(rb"(?:\xef\xbb\xbf)?[\0\t\n\f\r ]{0,1024}%PDF-")
_END: Final = b"%%EOF"
_MAX_JUNK: Final = 1024
_START: Final = re.compile(rb"startxref[\0\t\n\f\r ]+(\d{1,12})[\0\t\n\f\r ]*\Z")
_REFERENCES: Final = re.compile(
    rb"[\0\t\n\f\r ]*(?:(xref)|\d{1,10}[\0\t\n\f\r ]+\d{1,5}[\0\t\n\f\r ]+obj)"
)
_UPDATE: Final = re.compile(rb"\d[\0\t\n\f\r ]+\d{1,5}[\0\t\n\f\r ]+obj")
_LINEARIZED: Final = re.compile(rb"/Linearized\b.{0,512}?/L[\0\t\n\f\r ]*(\d{1,12})", re.DOTALL)


def examine(body: bytes) -> bool:
    """Whether this is a PDF document. Raises DamagedContent for a damaged one."""
    header = _HEADER.match(body)
    if header is None:
        return False
    start = header.end() - len(b"%PDF-")
    end = body.rfind(_END)
    # What was appended after an end marker and then cut shows by the object that it began.
    if end < 0 or len(body) - end > _MAX_JUNK + len(_END) or _UPDATE.search(body, end):
        raise cut_off(NOUN)
    # The first part of a linearized document has an end marker too; it promises the whole length.
    linearized = _LINEARIZED.search(body, start, start + 1024)
    if linearized and start + int(linearized[1]) > len(body):
        raise cut_off(NOUN)
    found = _START.search(body, max(0, end - 64), end)
    if found is None:
        raise broken(NOUN, "its last line does not say where its cross-reference is")
    for at in (start + int(found[1]), int(found[1])):
        references = _REFERENCES.match(body, min(at, end), end)
        if references and (not references[1] or body.find(b"trailer", at, end) > 0):
            return True
    raise broken(NOUN, "its cross-reference is not where its last line says")
