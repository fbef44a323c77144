"""The two lists of allowed types that content must pass, and the words for what does not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sangraha.content_types import libmagic
from sangraha.content_types.content_type import ContentType
from sangraha.content_types.kinds import KINDS
from sangraha.content_types.patterns import allows, takes_anything
from sangraha.errors import EmptyBody, EncodingNotAllowed, TypeNotAllowed

_TAKES: Final = {"json": "JSON documents", "image": "images", "pdf": "PDF documents"}
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
_NOUNS: Final = {kind.content_type: kind.noun for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the address allows and what the bucket does. `file_name` is only quoted."""

    of_address: Sequence[str]
    of_bucket: Sequence[str]
    file_name: str | None = None

    @property
    def take_anything(self) -> bool:
        """Whether nothing is restricted."""
        return takes_anything(self.of_address) and takes_anything(self.of_bucket)

    def allow(self, found: ContentType) -> bool:
        """Whether both allow it."""
        return all(_allows(patterns, found) for _, patterns in self._lists())

    def check(self, found: ContentType, detected: str) -> None:
        """Raises TypeNotAllowed unless both allow it."""
        if not self.allow(found):
            raise self.refusal(found, detected)

    def refusal(self, found: ContentType, detected: str) -> TypeNotAllowed:
        """The error for what is not allowed, with the list that refuses it."""
        place, patterns = next(each for each in self._lists() if not _allows(each[1], found))
        return TypeNotAllowed(
            f"{self._subject} are {_name(detected)}, but this {place} takes {_words(patterns)}",
            detected=detected,
            allowed=list(patterns),
        )

    def check_empty(self) -> None:
        """Raises EmptyBody unless anything is taken: nothing is not of any type."""
        if not self.take_anything:
            raise EmptyBody(f"{self._subject} are missing: the body is empty")

    def check_encoded(self, content_encoding: str) -> None:
        """Raises EncodingNotAllowed unless anything is taken."""
        for place, patterns in self._lists():
            if not takes_anything(patterns):
                raise EncodingNotAllowed(
                    f"{self._subject} are encoded ({content_encoding[:100]}) and cannot be "
                    f"verified, but this {place} takes only {_words(patterns)}",
                    allowed=list(patterns),
                )

    def _lists(self) -> tuple[tuple[str, Sequence[str]], ...]:
        return (("address", self.of_address), ("bucket", self.of_bucket))

    @property
    def _subject(self) -> str:
        return f"The bytes of {self.file_name[:100]!r}" if self.file_name else "The bytes"


def _allows(patterns: Sequence[str], found: ContentType) -> bool:
    return allows(found.type, found.content_type, patterns)


def _words(patterns: Sequence[str]) -> str:
    *others, last = (_TAKES.get(each, each) for each in patterns)
    return f"{', '.join(others)} and {last}" if others else last


def _name(detected: str) -> str:
    noun = _NOUNS.get(detected)
    if noun:
        return f"{'an' if noun.startswith(('AVIF', 'SVG')) else 'a'} {noun}"
    if detected.startswith("image/"):
        known = ", ".join(kind.noun.split()[0] for kind in KINDS if kind.type == "image")
        return f"an image of the type {detected}, which cannot be verified ({known} can)"
    return _NAMES.get(detected, f"of the type {detected}")
