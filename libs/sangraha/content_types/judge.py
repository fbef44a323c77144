"""The decision: what the bytes are, and whether they are taken."""

from collections.abc import Sequence
from typing import Final

import msgspec

from sangraha.content_types import libmagic
from sangraha.content_types.damage import broken
from sangraha.content_types.declared import refine
from sangraha.content_types.kinds import KINDS, Kind
from sangraha.errors import DamagedContent, EmptyBody, TypeNotAllowed
from sangraha.objects import ObjectType

_TAKES: Final[dict[ObjectType, str]] = {
    "json": "JSON documents",
    "image": "images",
    "pdf": "PDF documents",
    "other": "anything",
}
_NAMES: Final = {
    "text/plain": "plain text",
    "text/html": "an HTML page",
    "text/xml": "an XML document",
    "text/csv": "a CSV table",
    "text/x-shellscript": "a shell script",
    "text/x-script.python": "a Python script",
    "application/zip": "a ZIP archive",
    "application/gzip": "a gzip archive",
    libmagic.UNKNOWN: "of no type that is known here",
}


class ContentType(msgspec.Struct, frozen=True):
    """What bytes were found to be; `content_type` is the declared one where that is more exact."""

    type: ObjectType
    content_type: str


def judge(
    body: bytes,
    allowed: Sequence[ObjectType],
    declared_content_type: str | None = None,
    file_name: str | None = None,
) -> ContentType:
    """What `body` is. Time and memory are linear in its length.

    Where `allowed` is empty or has "other", anything is taken, damaged or empty too; what is not
    whole is then "other". `file_name` is only quoted in what is said to people. Raises EmptyBody,
    TypeNotAllowed (with `detected` and `allowed`) or DamagedContent.
    """
    takes_anything = not allowed or "other" in allowed
    if not body:
        if takes_anything:
            return ContentType("other", libmagic.UNKNOWN)
        raise EmptyBody(f"{_subject(file_name)} are missing: the body is empty")
    kind, damage = _recognise(body)
    if takes_anything and (kind is None or damage):
        detected = libmagic.content_type(body)
        return ContentType("other", refine(detected, declared_content_type))
    if kind is None:
        detected = libmagic.content_type(body)
        kind = next((each for each in KINDS if each.content_type == detected), None)
        if kind is None:
            raise _not_allowed(_name(detected), detected, allowed, file_name)
        damage = broken(kind.noun, "it does not have the structure of one")
    if not takes_anything and kind.type not in allowed:
        raise _not_allowed(
            f"{_article(kind.noun)} {kind.noun}", kind.content_type, allowed, file_name
        )
    if damage:
        raise damage
    return ContentType(kind.type, refine(kind.content_type, declared_content_type))


def _recognise(body: bytes) -> tuple[Kind | None, DamagedContent | None]:
    for kind in KINDS:
        try:
            if kind.examine(body):
                return kind, None
        except DamagedContent as damage:
            return kind, damage
    return None, None


def _not_allowed(
    name: str, detected: str, allowed: Sequence[ObjectType], file_name: str | None
) -> TypeNotAllowed:
    *others, last = (_TAKES[each] for each in allowed)
    takes = f"{', '.join(others)} and {last}" if others else last
    return TypeNotAllowed(
        f"{_subject(file_name)} are {name}, but this address takes {takes}",
        detected=detected,
        allowed=list(allowed),
    )


def _subject(file_name: str | None) -> str:
    return f"The bytes of {file_name[:100]!r}" if file_name else "The bytes"


def _name(detected: str) -> str:
    if detected.startswith("image/"):
        known = ", ".join(kind.noun.split()[0] for kind in KINDS if kind.type == "image")
        return f"an image of the type {detected}, which cannot be verified ({known} can)"
    return _NAMES.get(detected, f"of the type {detected}")


def _article(noun: str) -> str:
    return "an" if noun.startswith(("AVIF", "SVG")) else "a"
