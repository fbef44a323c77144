"""Content-Encoding on an upload (RFC 9110, section 8.4): kept and given back, never undone."""

import re
from typing import Final

from starlette.datastructures import Headers

from sangraha.errors import MalformedRequest

MAX_CHARACTERS: Final = 100
_CODING: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def content_encoding(headers: Headers) -> str | None:
    """The codings in the order they were applied, in lower case; None where there are none.

    `identity` is left out: it says nothing. Raises MalformedRequest for what is no list of tokens,
    or has more than MAX_CHARACTERS.
    """
    text = ",".join(headers.getlist("content-encoding"))
    codings = [item for part in text.split(",") if (item := part.strip(" \t").lower())]
    if not all(map(_CODING.fullmatch, codings)):
        raise MalformedRequest("Content-Encoding is not a list of content codings")
    kept = ", ".join(coding for coding in codings if coding != "identity")
    if len(kept) > MAX_CHARACTERS:
        raise MalformedRequest(f"Content-Encoding has more than {MAX_CHARACTERS} characters")
    return kept or None
