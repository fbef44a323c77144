"""Which types are allowed: `json`, `image`, `pdf`, or MIME patterns such as `text/*`."""

import re
from collections.abc import Sequence
from typing import Final

from sangraha.content_types.kinds import KINDS
from sangraha.errors import InvalidParameter
from sangraha.objects import ObjectType

MAX_PATTERNS: Final = 50
_ANYTHING: Final = frozenset({"*/*", "other"})
_WORDS: Final = frozenset({"json", "image", "pdf", "other"})
# The restricted names of RFC 6838, section 4.2.
_NAME: Final = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"
_PATTERN: Final = re.compile(rf"{_NAME}/(?:{_NAME}|\*)|\*/\*")
VERIFIED: Final = frozenset(kind.content_type for kind in KINDS)
"""The content types that are given to whole content only."""


def takes_anything(patterns: Sequence[str]) -> bool:
    """Whether the patterns restrict nothing: there are none, or one of them is for everything."""
    return not patterns or not _ANYTHING.isdisjoint(patterns)


def allows(type_: ObjectType, content_type: str, patterns: Sequence[str]) -> bool:
    """Whether content of this type may be kept where `patterns` are what is allowed.

    A JSON document is `application/json` whatever it was declared as, so that no declared type
    gets it past a pattern with an asterisk. What is "other" although its content type is one that
    is verified here was damaged or encoded: only where anything goes.
    """
    if takes_anything(patterns):
        return True
    essence = content_type.partition(";")[0].strip().lower()
    if type_ == "other" and essence in VERIFIED:
        return False
    found = "application/json" if type_ == "json" else essence
    exact = {type_, essence, found, found.partition("/")[0] + "/*"}
    return not exact.isdisjoint(patterns)


def checked_patterns(patterns: list[str]) -> list[str]:
    """The patterns in lower case, each once. Raises InvalidParameter for what is none."""
    if len(patterns) > MAX_PATTERNS:
        raise InvalidParameter(f"{len(patterns)} allowed types are more than {MAX_PATTERNS}")
    checked = list(dict.fromkeys(pattern.strip().lower() for pattern in patterns))
    for pattern in checked:
        if pattern not in _WORDS and not _PATTERN.fullmatch(pattern):
            raise InvalidParameter(
                f"{pattern[:100]!r} is no type: they are json, image, pdf, or MIME types such as "
                "text/* and application/zip"
            )
    return checked
