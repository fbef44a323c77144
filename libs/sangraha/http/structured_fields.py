"""Structured fields (RFC 9651), parsed strictly: dictionaries of byte sequences, and one string.

Digest fields are the former (RFC 9530, section 2), idempotency keys the latter; no other kind of
member is known.
"""

import binascii
import re
from collections.abc import Sequence
from typing import Final

from sangraha.errors import MalformedRequest

_KEY: Final = r"[a-z*][a-z0-9_.*-]*"
_BARE_ITEM: Final = "|".join(
    (
        r"-?[0-9]{1,12}\.[0-9]{1,3}",
        r"@?-?[0-9]{1,15}",
        r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"',
        r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*",
        r":[A-Za-z0-9+/=]*:",
        r"\?[01]",
        r'%"(?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*"',
    )
)
_MEMBER: Final = re.compile(rf"({_KEY})=:([A-Za-z0-9+/=]*):")
_PARAMETER: Final = re.compile(rf"; *{_KEY}(?:=(?:{_BARE_ITEM}))?")
_COMMA: Final = re.compile(r"[ \t]*,[ \t]*")
_STRING: Final = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_ESCAPED: Final = re.compile(r"\\(.)")


def parse_byte_sequences(name: str, values: Sequence[str]) -> dict[str, bytes]:
    """The byte sequences by key in all fields of this name; the last of a key counts.

    Parameters are read over. Raises MalformedRequest for anything else.
    """
    text = ",".join(values).strip(" ")
    found: dict[str, bytes] = {}
    at = 0
    while at < len(text):
        member = _MEMBER.match(text, at)
        if member is None:
            raise _malformed(name)
        found[member[1]] = _decoded(name, member[2])
        at = member.end()
        while parameter := _PARAMETER.match(text, at):
            at = parameter.end()
        if at == len(text):
            return found
        comma = _COMMA.match(text, at)
        if comma is None or comma.end() == len(text):
            raise _malformed(name)
        at = comma.end()
    return found


def parse_string(text: str) -> str | None:
    """The string that is all of this field, parameters left out; None for anything else."""
    text = text.strip(" ")
    found = _STRING.match(text)
    if found is None:
        return None
    at = found.end()
    while parameter := _PARAMETER.match(text, at):
        at = parameter.end()
    return _ESCAPED.sub(r"\1", found[1]) if at == len(text) else None


def _decoded(name: str, encoded: str) -> bytes:
    bare = encoded.rstrip("=")
    try:
        # Padding may be left out (RFC 9651, section 4.2.7).
        padded = encoded if bare != encoded else bare + "=" * (-len(bare) % 4)
        return binascii.a2b_base64(padded, strict_mode=True)
    except binascii.Error:
        raise _malformed(name) from None


def _malformed(name: str) -> MalformedRequest:
    return MalformedRequest(f"{name} is not of the form algorithm=:base64:, …")
