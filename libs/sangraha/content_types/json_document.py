"""JSON (RFC 8259), strictly: one document, in UTF-8, to the last byte. Its values are not kept."""

import re
from typing import Final

import msgspec

from sangraha.content_types import libmagic
from sangraha.content_types.damage import broken, cut_off

NOUN: Final = "JSON document"
_STARTS: Final = frozenset(b'{["-0123456789tfn')
_CONTAINERS: Final = frozenset(b"{[")
_SPACE: Final = b" \t\r\n"
_BOM: Final = b"\xef\xbb\xbf"
_DECODER: Final = msgspec.json.Decoder(msgspec.Raw)
_POSITION: Final = re.compile(r"\(byte (\d+)\)")
_UNKNOWN: Final = frozenset({"text/plain", "application/json", "application/octet-stream"})


def examine(body: bytes) -> bool:
    """Whether this is a JSON document. Raises DamagedContent for a damaged one.

    Numbers may be of any size; names may come twice. A byte order mark is damage (section 8.1),
    and so is nesting deeper than the parser can follow (a little under 1,000 levels).
    """
    document = body.removeprefix(_BOM)
    first = (
        document.lstrip(_SPACE)[:1] if document[:1] in (b" ", b"\t", b"\r", b"\n") else document[:1]
    )
    if not first or first[0] not in _STARTS:
        return False
    try:
        _DECODER.decode(document)
    except RecursionError:
        raise broken(NOUN, "it is nested too deeply") from None
    except msgspec.DecodeError as error:
        why = str(error)
        at = _POSITION.search(why)
        if at is None or int(at[1]) >= len(document):
            raise cut_off(NOUN) from None
        if first[0] not in _CONTAINERS or libmagic.content_type(body) not in _UNKNOWN:
            return False
        raise broken(NOUN, why.removeprefix("JSON is malformed: ")) from None
    if not document.isascii():
        try:
            document.decode()
        except UnicodeDecodeError as error:
            raise broken(NOUN, f"byte {error.start:,} is not UTF-8") from None
    if document is not body:
        raise broken(NOUN, "it starts with a byte order mark")
    return True
