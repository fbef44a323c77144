"""SVG: a whole XML document whose root is `svg`.

Parsed by expat with nothing that could fetch or keep something. What a document type
could do to the parser (entities of entities, external ones, attribute defaults) is refused
before parsing.
"""

import re
from typing import Final
from xml.parsers import expat

from sangraha.content_types.damage import broken, cut_off
from sangraha.content_types.seen import Seen

NOUN: Final = "SVG image"
_ROOTS: Final = frozenset({"http://www.w3.org/2000/svg svg", "svg"})
_BOM: Final = b"\xef\xbb\xbf"
_UTF_16: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_SPACE: Final = b" \t\r\n"
_PIECE: Final = 256 * 1024
_MAX_DEPTH: Final = 1_000
_MAX_TAGS: Final = 1_000_000
_ENCODING: Final = re.compile(rb"""<\?xml\s[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]+)""")
_ONE_BYTE: Final = frozenset(
    {
        "us-ascii",
        "iso-8859-1",
        "iso-8859-2",
        "iso-8859-15",
        "windows-1250",
        "windows-1251",
        "windows-1252",
    }
)
_SVG: Final = re.compile(rb"<(?:[\w.-]{1,64}:)?svg(?![\w.:-])")
# What may follow the closing tag: space, comments and processing instructions.
_END: Final = re.compile(
    rb"</(?:[\w.-]{1,64}:)?svg\s*>(?:\s|<!--(?:(?!--).)*-->|<\?(?:(?!\?>).)*\?>)*\Z", re.DOTALL
)
_DECLARATION: Final = re.compile(rb"<!(?:ENTITY|ATTLIST)")
# Drawing programs name their namespaces by entities: plain text, which cannot name another.
_PLAIN_ENTITY: Final = re.compile(
    rb"""<!ENTITY\s{1,64}[\w.:-]{1,64}\s{1,64}(?:"[^"&%<]{0,256}"|'[^'&%<]{0,256}')\s{0,64}>"""
)
_MAX_ENTITIES: Final = 100
_MAX_REFERENCES: Final = 10_000
_ENDS_EARLY: Final = frozenset(
    expat.errors.codes[message]
    for message in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
)


def examine(seen: Seen) -> bool:
    """Whether this is an SVG image. Raises DamagedContent for a damaged one.

    Any root of the SVG namespace counts, and one without a namespace, because SVG 1.1's document
    type gives it one. HTML or other XML that contains an image is not SVG.

    Where only the ends are seen, the root must start in the head, and the tail must close one.
    """
    document = _as_utf8(seen.head)
    if document is None:
        return False
    if not _is_harmless(document):
        return _refuse_svg(document, "it declares entities or attributes, which are not accepted")
    if document.count(b"<") > _MAX_TAGS:
        return _refuse_svg(document, f"it has more than {_MAX_TAGS:,} tags")
    is_svg, ends_early = _parse(document)
    if is_svg and ends_early and (seen.is_whole or not _END.search(_tail_as_utf8(seen))):
        raise cut_off(NOUN)
    return is_svg


def _parse(document: bytes) -> tuple[bool, bool]:
    """Whether the root is that of an image, and whether the document ends before it does."""
    outline = _Outline()
    parser = expat.ParserCreate("utf-8", " ")
    parser.StartElementHandler = outline.start
    parser.EndElementHandler = outline.end
    # A handler cannot stop expat before the piece ends, and a token that is not whole is read
    # again with the next piece: a fixed number of pieces bounds both.
    size = max(_PIECE, len(document) // 16)
    try:
        for at in range(0, len(document), size):
            parser.Parse(document[at : at + size], False)
            if outline.root is not None and outline.root not in _ROOTS:
                return False, False
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        ends_early = error.code in _ENDS_EARLY
        if outline.root is None:
            start = _SVG.match(document, max(parser.ErrorByteIndex, 0))
            return ends_early and start is not None, ends_early
        if outline.root in _ROOTS and not ends_early:
            why = f"{expat.ErrorString(error.code)} in line {error.lineno:,}"
            raise broken(NOUN, why) from None
        return outline.root in _ROOTS, ends_early
    return outline.root in _ROOTS, False


class _Outline:
    """What is kept of a document while it is parsed: its root, and how deep the parser is."""

    def __init__(self) -> None:
        self.root: str | None = None
        self._depth = 0

    def start(self, name: str, _: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            self.root = name
        elif self._depth > _MAX_DEPTH and self.root in _ROOTS:
            raise broken(NOUN, f"its elements are nested more than {_MAX_DEPTH:,} levels deep")

    def end(self, _: str) -> None:
        self._depth -= 1


def _refuse_svg(document: bytes, why: str) -> bool:
    """False where there is nothing of SVG in what cannot be parsed; else raises DamagedContent."""
    if _SVG.search(document) is None:
        return False
    raise broken(NOUN, why)


def _as_utf8(body: bytes) -> bytes | None:
    """The document in UTF-8, if it may be XML at all.

    Only in one known encoding can declarations be seen before the document is parsed.
    """
    if body[:2] in _UTF_16:
        document = body.decode("utf-16", "replace").encode()
    else:
        document = body.removeprefix(_BOM)
        declared = _ENCODING.match(document)
        name = declared[1].decode().lower() if declared else "utf-8"
        if name in _ONE_BYTE:
            document = document.decode(name, "replace").encode()
        elif name != "utf-8":
            return None
    return document if document.lstrip(_SPACE).startswith(b"<") else None


def _tail_as_utf8(seen: Seen) -> bytes:
    encoding = _UTF_16.get(seen.head[:2])
    return seen.tail.decode(encoding, "replace").encode() if encoding else seen.tail


def _is_harmless(document: bytes) -> bool:
    """Whether all it declares are a few plain entities, so that expat's work stays linear."""
    found = list(zip(_DECLARATION.finditer(document), range(_MAX_ENTITIES + 1), strict=False))
    if not found:
        return True
    if len(found) > _MAX_ENTITIES or document.count(b"&") > _MAX_REFERENCES:
        return False
    return all(_PLAIN_ENTITY.match(document, declared.start()) for declared, _ in found)
