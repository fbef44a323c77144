"""Cursors: where a page of a listing ended, as text that means nothing to anybody else."""

import base64
from typing import TypeVar

import msgspec

from sangraha.errors import InvalidParameter

_Position = TypeVar("_Position", bound=msgspec.Struct)


def cursor_of(position: msgspec.Struct) -> str:
    """The position as base64url (RFC 4648, section 5) of JSON."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def position_of(cursor: str, kind: type[_Position]) -> _Position:
    """The position that `cursor_of` was given. Raises InvalidParameter for what never was one."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        document = base64.b64decode(padded, altchars=b"-_", validate=True)
        return msgspec.json.decode(document, type=kind)
    except (ValueError, msgspec.DecodeError, RecursionError):
        raise InvalidParameter("the cursor is not one that this listing gave out") from None
