"""The form of the Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header)."""

import re
from typing import Final

from starlette.datastructures import Headers

from sangraha.errors import MalformedRequest
from sangraha.http.structured_fields import parse_string

MAX_KEY_CHARACTERS: Final = 255
# Most clients send a UUID as it is, which is no token of RFC 9651 where it starts with a digit.
_BARE: Final = re.compile(r"[A-Za-z0-9!#$%&'*+./:=@^_`|~-]+")


def idempotency_key(headers: Headers) -> str | None:
    """The key, given as a string (RFC 9651, section 3.3.3) or bare; None where there is none.

    Raises MalformedRequest for more than one, and for one that is not of 1 to MAX_KEY_CHARACTERS
    printable ASCII characters.
    """
    values = headers.getlist("idempotency-key")
    if not values:
        return None
    key = _bare_or_string(values[0]) if len(values) == 1 else None
    if not key or len(key) > MAX_KEY_CHARACTERS:
        raise MalformedRequest(
            "Idempotency-Key is one string or token of 1 to "
            f"{MAX_KEY_CHARACTERS} printable ASCII characters, such as a UUID"
        )
    return key


def _bare_or_string(value: str) -> str | None:
    return value if _BARE.fullmatch(value) else parse_string(value)
