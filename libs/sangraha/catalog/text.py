"""Text as both databases hold and order it: by its UTF-8 bytes, which is by code points."""

from typing import Final

_LAST: Final = 0x10FFFF
_BEFORE_SURROGATES: Final = 0xD7FF
_AFTER_SURROGATES: Final = 0xE000


def is_storable(text: str) -> bool:
    """Whether every database can hold it: PostgreSQL has neither U+0000 nor halves of surrogate
    pairs.
    """
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def replaced(text: str) -> str:
    """The text with something in place of what not every database can hold."""
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")


def past_prefix(prefix: str) -> str | None:
    """The first text after all those that start with `prefix`; None where there is none, as after
    an empty prefix.
    """
    stem = prefix.rstrip(chr(_LAST))
    if not stem:
        return None
    last = ord(stem[-1])
    following = _AFTER_SURROGATES if last == _BEFORE_SURROGATES else last + 1
    return stem[:-1] + chr(following)
