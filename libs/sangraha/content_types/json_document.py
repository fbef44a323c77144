"""JSON (RFC 8259), strictly: one document, in UTF-8, to the last byte. Its values are not kept."""

from typing import Final

import msgspec

from sangraha.content_types import libmagic
from sangraha.content_types.damage import broken
from sangraha.content_types.json_nesting import MAX_DEPTH, NOUN, Nesting, without_escapes
from sangraha.content_types.json_parser import SPACE, JsonParser, why_invalid
from sangraha.content_types.seen import Seen
from sangraha.errors import DamagedContent

__all__ = ["NOUN", "JsonReader", "examine"]

_STARTS: Final = frozenset(b'{["-0123456789tfn')
_CONTAINERS: Final = frozenset(b"{[")
_BOM: Final = b"\xef\xbb\xbf"
_UNKNOWN: Final = frozenset({"text/plain", "application/json", "application/octet-stream"})


def examine(seen: Seen) -> bool:
    """Whether this is a JSON document. Raises DamagedContent for a damaged one.

    A byte order mark is damage (section 8.1), and so is nesting of more than MAX_DEPTH levels.
    """
    if seen.is_whole:
        if _is_valid(seen.head):
            return True
        reader = JsonReader()
        reader.feed(seen.head)
        seen = reader.finish(seen)
    if seen.json_damage is None:
        return seen.is_json
    if seen.json_malformed and libmagic.content_type(seen.head) not in _UNKNOWN:
        return False
    raise DamagedContent(seen.json_damage)


class JsonReader:
    """Reads a body as it passes, to say whether it is a JSON document or a damaged one.

    What does not start like one is not parsed at all, and parsing stops at the first damage.
    """

    def __init__(self) -> None:
        self._at = 0
        self._first_bytes = b""
        self._has_mark = False
        self._parser: JsonParser | None = None
        self._is_container = False
        self._damage: DamagedContent | None = None
        self._is_over = False

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes of the body."""
        if self._is_over:
            return
        chunk = bytes(chunk)
        if self._parser is None:
            chunk = self._skip(chunk)
        if self._parser is None:
            return
        try:
            self._parser.feed(chunk)
        except DamagedContent as damage:
            self._damage = damage
            self._is_over = True

    def finish(self, seen: Seen) -> Seen:
        """The same with what was found, after all of the body."""
        if self._parser is None:
            return seen
        if not self._is_over:
            self._is_over = True
            try:
                self._parser.finish()
            except DamagedContent as damage:
                self._damage = damage
        malformed = self._parser.is_malformed
        if malformed and not self._is_container:
            return seen
        if self._damage is None and self._has_mark:
            self._damage = broken(NOUN, "it starts with a byte order mark")
        return msgspec.structs.replace(
            seen,
            is_json=self._damage is None,
            json_damage=self._damage and self._damage.detail,
            json_malformed=malformed,
        )

    def _skip(self, chunk: bytes) -> bytes:
        """What remains of the chunk once the document has started."""
        if self._at == 0:
            chunk = self._first_bytes + chunk
            if chunk.startswith(_BOM):
                self._has_mark = True
                self._at = len(_BOM)
                chunk = chunk[len(_BOM) :]
            elif _BOM.startswith(chunk):
                self._first_bytes = chunk
                return b""
        document = chunk.lstrip(SPACE)
        self._at += len(chunk) - len(document)
        if document and document[0] in _STARTS:
            self._parser = JsonParser(self._at)
            self._is_container = document[0] in _CONTAINERS
        self._is_over = bool(document) and self._parser is None
        return document


def _is_valid(body: bytes) -> bool:
    """Whether it is beyond doubt a document; others have to be looked at more closely."""
    first = body.lstrip(SPACE)[:1] if body[:1].isspace() else body[:1]
    if not first or first[0] not in _STARTS:
        return False
    try:
        if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
            Nesting().follow(without_escapes(body))
        return why_invalid(body) is None and (body.isascii() or bool(body.decode()))
    except (DamagedContent, UnicodeDecodeError):
        return False
