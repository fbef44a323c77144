"""The decision: what the bytes are, and whether they are taken."""

from collections.abc import Sequence

from sangraha.content_types import libmagic
from sangraha.content_types.content_type import ContentType
from sangraha.content_types.damage import broken
from sangraha.content_types.declared import normalised, refine
from sangraha.content_types.kinds import KINDS, Kind
from sangraha.content_types.rules import Rules
from sangraha.content_types.seen import Seen
from sangraha.errors import DamagedContent


def judge(
    body: bytes,
    allowed: Sequence[str],
    declared_content_type: str | None = None,
    file_name: str | None = None,
    *,
    also_allowed: Sequence[str] = (),
) -> ContentType:
    """What `body` is. Time and memory are linear in its length.

    `allowed` are the patterns of the address, `also_allowed` those of the bucket: it must be
    allowed by both. Where both allow anything, damaged and empty content is taken too; what is
    not whole is then "other". `file_name` is only quoted in what is said to people. Raises
    EmptyBody, TypeNotAllowed (with `detected` and the `allowed` that refuse it) or
    DamagedContent.
    """
    rules = Rules(allowed, also_allowed, file_name)
    return _judge(Seen.whole(body), rules, declared_content_type)


def judge_seen(
    seen: Seen,
    allowed: Sequence[str],
    declared_content_type: str | None = None,
    file_name: str | None = None,
    *,
    also_allowed: Sequence[str] = (),
) -> ContentType:
    """The same for a body that was watched, as far as its ends tell: damage between them, which
    `judge` may see, is not seen, and where the end is not at the end it is cut off.
    """
    rules = Rules(allowed, also_allowed, file_name)
    return _judge(seen.joined(), rules, declared_content_type)


def encoded(
    declared_content_type: str | None,
    content_encoding: str,
    allowed: Sequence[str],
    also_allowed: Sequence[str] = (),
    file_name: str | None = None,
) -> ContentType:
    """What a body is taken for that has a Content-Encoding (RFC 9110, section 8.4): what it was
    declared as, because the bytes do not show it. Raises EncodingNotAllowed where a type is asked
    for.
    """
    Rules(allowed, also_allowed, file_name).check_encoded(content_encoding)
    return ContentType("other", normalised(declared_content_type) or libmagic.UNKNOWN)


def _judge(seen: Seen, rules: Rules, declared: str | None) -> ContentType:
    if not seen.size:
        rules.check_empty()
        return ContentType("other", libmagic.UNKNOWN)
    kind, damage = _recognise(seen)
    if kind and not damage:
        found = _found(kind, declared)
        rules.check(found, kind.content_type)
        return found
    if kind and damage and not rules.take_anything and rules.allow(_found(kind, declared)):
        raise damage
    detected = libmagic.content_type(seen.head)
    other = ContentType("other", refine(detected, declared))
    # What is damaged as one type may be whole as another: text may start like a JSON document.
    if rules.allow(other):
        return other
    kind = kind or next((each for each in KINDS if each.content_type == detected), None)
    if kind is None:
        raise rules.refusal(other, detected)
    rules.check(_found(kind, declared), kind.content_type)
    raise broken(kind.noun, "it does not have the structure of one")


def _found(kind: Kind, declared: str | None) -> ContentType:
    return ContentType(kind.type, refine(kind.content_type, declared))


def _recognise(seen: Seen) -> tuple[Kind | None, DamagedContent | None]:
    for kind in KINDS:
        try:
            if kind.examine(seen):
                return kind, None
        except DamagedContent as damage:
            return kind, damage
    return None, None
