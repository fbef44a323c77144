"""Lists of entity tags (RFC 9110, section 8.8.3), as If-Match and its kin carry them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_GAP: Final = re.compile(r"[ \t,]*")
_TAG: Final = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|\Z)')


@dataclass(frozen=True, slots=True)
class EntityTags:
    """The tags of a field, quotes included, apart by strength.

    `is_any` stands for "*". `is_well_formed` is false where some of the field could not be read;
    the tags before that place are kept.
    """

    strong: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()
    is_any: bool = False
    is_well_formed: bool = True

    def strongly_match(self, etag: str) -> bool:
        """Whether this current tag is named (section 8.8.3.2): weak ones equal nothing."""
        return self.is_any or etag in self.strong

    def weakly_match(self, etag: str) -> bool:
        """Whether this current tag is named, as a strong or a weak one."""
        return self.is_any or etag in self.strong or etag in self.weak


def parse_entity_tags(values: Sequence[str]) -> EntityTags | None:
    """The tags of all fields of one name; None where there is no such field."""
    if not values:
        return None
    text = ",".join(values)
    if text.strip(" \t") == "*":
        return EntityTags(is_any=True)
    strong: list[str] = []
    weak: list[str] = []
    at = _end(_GAP, text, 0)
    while at < len(text):
        found = _TAG.match(text, at)
        if found is None:
            break
        (weak if found[1] else strong).append(found[2])
        at = _end(_GAP, text, found.end())
    is_well_formed = at == len(text) and bool(strong or weak)
    return EntityTags(tuple(strong), tuple(weak), is_well_formed=is_well_formed)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at
