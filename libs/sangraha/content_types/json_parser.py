"""JSON (RFC 8259) parsed as it passes, in bounded memory whatever it is made of.

msgspec parses whole documents only. So each piece of the stream is made into a whole one: before
it goes the shortest text that brings a parser to where the last piece ended, after it the shortest
that closes what is open. That is valid exactly if the document can go on from there. Where a piece
ends is found by counting quotes and brackets, which needs to be right for valid pieces only.
"""

import codecs
import re
from enum import Enum, auto
from typing import Final

import msgspec

from sangraha.content_types.damage import broken, cut_off
from sangraha.content_types.json_nesting import NOUN, Nesting, without_escapes

SPACE: Final = b" \t\r\n"
_PIECE: Final = 32 * 1024
_DECODER: Final = msgspec.json.Decoder(msgspec.Raw)
_POSITION: Final = re.compile(r"\(byte (\d+)\)")
_SCALAR: Final = bytes(range(256)).translate(None, b'[]{}",:' + SPACE)
_MAX_CARRIED: Final = 64
_DIGITS: Final = re.compile(rb"(\d\d)\d+")
_LITERALS: Final = (b"true", b"false", b"null")
_PARTIAL_ESCAPE: Final = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?\Z")
# Close to the end msgspec calls some of what is malformed truncated.
_PADDING: Final = b" " * 8


class _Place(Enum):
    """What the last thing in a piece is, within the innermost array or object, or in none."""

    START = auto()
    COMMA = auto()
    PART_OF_NAME = auto()
    NAME = auto()
    COLON = auto()
    PART_OF_STRING = auto()
    VALUE = auto()


_IN_QUOTES: Final = frozenset({_Place.PART_OF_NAME, _Place.PART_OF_STRING})
# What goes before a piece that starts after these, and after a piece that ends with them.
_AROUND: Final = {
    (b"", _Place.START): (b"", b'""'),
    (b"", _Place.PART_OF_STRING): (b'"', b'"'),
    (b"", _Place.VALUE): (b'""', b""),
    (b"[", _Place.START): (b"[", b"]"),
    (b"[", _Place.COMMA): (b'["",', b'""]'),
    (b"[", _Place.PART_OF_STRING): (b'["', b'"]'),
    (b"[", _Place.VALUE): (b'[""', b"]"),
    (b"{", _Place.START): (b"{", b"}"),
    (b"{", _Place.COMMA): (b'{"":"",', b'"":""}'),
    (b"{", _Place.PART_OF_NAME): (b'{"', b'":""}'),
    (b"{", _Place.NAME): (b'{""', b':""}'),
    (b"{", _Place.COLON): (b'{"":', b'""}'),
    (b"{", _Place.PART_OF_STRING): (b'{"":"', b'"}'),
    (b"{", _Place.VALUE): (b'{"":""', b"}"),
}
_IMPOSSIBLE: Final = (b"", b"")
_AFTER: Final = {
    **{b"": _Place.START, b"[": _Place.START, b"{": _Place.START},
    **{b",": _Place.COMMA, b":": _Place.COLON},
}


class JsonParser:
    """One document. `start` is where in the body it begins, for the positions in what is raised.

    Names may come twice, numbers may be of any size, and escapes may stand for half a surrogate
    pair: the RFC allows all of these. What is raised does not depend on how the bytes are chunked;
    nothing may be fed after it.
    """

    def __init__(self, start: int = 0) -> None:
        self.is_malformed = False
        self._end = start
        self._gathered = bytearray()
        self._carried = b""
        self._nesting = Nesting()
        self._place = _Place.START
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._not_utf8: int | None = None

    def feed(self, chunk: bytes) -> None:
        """Raises DamagedContent once the document cannot become whole any more."""
        rest = memoryview(chunk)
        while len(self._gathered) + len(rest) >= _PIECE:
            missing = _PIECE - len(self._gathered)
            piece = bytes(self._gathered) + rest[:missing]
            rest = rest[missing:]
            self._gathered.clear()
            self._parse(piece)
        self._gathered += rest

    def finish(self) -> None:
        """Raises DamagedContent unless all that was fed is one whole document."""
        self._parse(bytes(self._gathered))
        if self._carried.strip(SPACE) and self._place not in _IN_QUOTES:
            self._finish_scalar()
        if self._nesting.innermost or self._place is not _Place.VALUE:
            raise cut_off(NOUN)
        if self._not_utf8 is not None:
            raise broken(NOUN, f"byte {self._not_utf8:,} is not UTF-8")

    def _parse(self, piece: bytes) -> None:
        self._end += len(piece)
        self._decode(piece)
        text = self._around()[0] + self._carried + piece
        plain = without_escapes(text)
        outer, closing = self._nesting.follow(plain)
        if plain.count(b'"') % 2:
            end = _start_of_partial_escape(text)
            self._place = self._place_at(plain, plain.rfind(b'"'), is_whole=False)
        else:
            end = len(text.rstrip(SPACE).rstrip(_SCALAR))
            last = text[:end].rstrip(SPACE)[-1:]
            if last == b'"':
                opening = plain.rfind(b'"', 0, plain.rfind(b'"'))
                self._place = self._place_at(plain, opening, is_whole=True)
            else:
                self._place = _AFTER.get(last, _Place.VALUE)
        self._carried = _shortened(text[end:])
        # No valid one is that long: it is not carried on, but checked.
        if len(self._carried) > _MAX_CARRIED:
            end = len(text)
        self._check(outer, text[:end], self._around()[1] + closing, len(text) - end)

    def _finish_scalar(self) -> None:
        """What was carried is the last there is: a whole number or literal, or a part of one."""
        scalar = self._carried
        completed = next((each for each in _LITERALS if each.startswith(scalar)), scalar + b"0")
        before = self._around()[0]
        self._place = _Place.VALUE
        after = self._around()[1]
        if why_invalid(before + scalar + after) and not why_invalid(before + completed + after):
            raise cut_off(NOUN)
        self._check(b"", before + scalar, after)

    def _place_at(self, plain: bytes, quote: int, *, is_whole: bool) -> _Place:
        """What the string is that starts at `quote`: names are those in objects, but for ':'."""
        if self._nesting.innermost == b"{" and plain[:quote].rstrip(SPACE)[-1:] != b":":
            return _Place.NAME if is_whole else _Place.PART_OF_NAME
        return _Place.VALUE if is_whole else _Place.PART_OF_STRING

    def _around(self) -> tuple[bytes, bytes]:
        return _AROUND.get((self._nesting.innermost, self._place), _IMPOSSIBLE)

    def _check(self, outer: bytes, text: bytes, after: bytes, unread: int = 0) -> None:
        """Raises DamagedContent for a `text` that ends `unread` bytes before the piece does, and
        is not valid between `outer` and `after`.
        """
        error = why_invalid(outer + text + after + _PADDING)
        if error is None:
            return
        self.is_malformed = True
        found = _POSITION.search(error)
        if found is None:
            raise broken(NOUN, error)
        in_text = min(int(found[1]) - len(outer), len(text) + unread)
        at = self._end - unread - len(text) + in_text
        why = error[: found.start()].removeprefix("JSON is malformed: ")
        raise broken(NOUN, f"{why}(byte {at})")

    def _decode(self, piece: bytes) -> None:
        """Note where the bytes are not UTF-8 first: what is malformed as well is called that."""
        pending = len(self._utf8.getstate()[0])
        if self._not_utf8 is not None or (not pending and piece.isascii()):
            return
        try:
            self._utf8.decode(piece)
        except UnicodeDecodeError as error:
            self._not_utf8 = self._end - len(piece) - pending + error.start


def why_invalid(document: bytes) -> str | None:
    """Why the document is not valid; None if it is.

    msgspec refuses escapes of half a surrogate pair: they are shown to it as other ones.
    """
    if b"\\u" in document:
        document = document.replace(b"\\ud", b"\\u0").replace(b"\\uD", b"\\u0")
    try:
        _DECODER.decode(document)
    except msgspec.DecodeError as error:
        return str(error)
    return None


def _start_of_partial_escape(text: bytes) -> int:
    """Where an escape starts that is not whole at the end of a text; the end if there is none."""
    found = _PARTIAL_ESCAPE.search(text, max(0, len(text) - 5))
    if found is None:
        return len(text)
    before = text[: found.start()]
    is_escaped = (len(before) - len(before.rstrip(b"\\"))) % 2
    return len(text) if is_escaped else found.start()


def _shortened(scalar: bytes) -> bytes:
    """The same, but for digits and space that decide nothing, where it is long."""
    if len(scalar) <= _MAX_CARRIED:
        return scalar
    start = scalar.rstrip(SPACE)
    return _DIGITS.sub(rb"\1", start) + scalar[len(start) :][:1]
