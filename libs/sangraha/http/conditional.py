"""Conditional requests (RFC 9110, section 13): what a client says must hold before it is served.

Entity tags of objects are their SHA-256 digests, those of descriptions count revisions. A read is
judged here, by `evaluate`; a write's preconditions travel with it and are judged where it is
committed.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from starlette.datastructures import Headers

from sangraha.errors import (
    InvalidParameter,
    MalformedRequest,
    PreconditionFailed,
    PreconditionRequired,
)
from sangraha.http.dates import parse_http_date, whole_second
from sangraha.http.entity_tags import EntityTags, parse_entity_tags
from sangraha.messages import Precondition

MAX_TAGS: Final = 100
_DIGEST: Final = re.compile(r'"([0-9a-f]{64})"')
_REVISION: Final = re.compile(r'"r([0-9]{1,18})"')


def evaluate(
    headers: Headers, method: str, etag: str, last_modified: datetime | None = None
) -> Literal["proceed", "not-modified"]:
    """What is to become of a request for something that exists, in the order of section 13.2.2.

    Raises PreconditionFailed. Dates that are none are ignored, and all dates where there is no
    `last_modified`.
    """
    moment = whole_second(last_modified) if last_modified else None
    wanted = parse_entity_tags(headers.getlist("if-match"))
    if wanted is not None:
        if not wanted.strongly_match(etag):
            raise PreconditionFailed("it has another entity tag than If-Match names", etag=etag)
    elif moment and (limit := _date(headers, "if-unmodified-since")) and moment > limit:
        raise PreconditionFailed("it was modified since If-Unmodified-Since", etag=etag)
    is_read = method in ("GET", "HEAD")
    known = parse_entity_tags(headers.getlist("if-none-match"))
    if known is not None:
        if not known.weakly_match(etag):
            return "proceed"
        if not is_read:
            raise PreconditionFailed("it has an entity tag that If-None-Match names", etag=etag)
        return "not-modified"
    since = _date(headers, "if-modified-since") if is_read else None
    return "not-modified" if moment and since and moment <= since else "proceed"


def if_range_holds(headers: Headers, etag: str, last_modified: datetime | None) -> bool:
    """Whether Range is to be heeded as far as If-Range goes (section 13.1.5).

    `last_modified` is None where it is no strong validator (section 8.8.2.2): a name may get two
    versions within one second, an id cannot.
    """
    values = headers.getlist("if-range")
    if not values:
        return True
    if len(values) > 1:
        return False
    text = values[0].strip(" \t")
    if text == etag:
        return True
    date = parse_http_date(text)
    return date is not None and last_modified is not None and date == whole_second(last_modified)


def known_digests(headers: Headers) -> list[str]:
    """The digests that If-None-Match names, or "*": what a reader has already.

    The comparison is weak, so `W/` is dropped. At most MAX_TAGS are told.
    """
    tags = parse_entity_tags(headers.getlist("if-none-match")) or EntityTags()
    return ["*"] if tags.is_any else _digests(tags.strong + tags.weak)[:MAX_TAGS]


def is_known(digest: str, known: Sequence[str]) -> bool:
    """Whether these known digests are of such a body."""
    return "*" in known or digest in known


def precondition_of(headers: Headers) -> Precondition | None:
    """What If-Match (strong comparison) and If-None-Match (weak) ask of a write; None for nothing.

    Tags that are no digests never match, but the field counts. Raises MalformedRequest for a field
    that cannot be read or names more than MAX_TAGS: to ignore either could overwrite what was to be
    kept. Raises InvalidParameter for If-Unmodified-Since alone, which writes do not know.
    """
    if_match, if_none_match = _of_write(headers, "If-Match"), _of_write(headers, "If-None-Match")
    if if_match is None and _date(headers, "if-unmodified-since"):
        raise InvalidParameter("writes do not heed If-Unmodified-Since: name the tag in If-Match")
    if if_match is None and if_none_match is None:
        return None
    return Precondition(
        if_match=None if if_match is None else _told(if_match, if_match.strong),
        if_none_match=None
        if if_none_match is None
        else _told(if_none_match, if_none_match.strong + if_none_match.weak),
    )


def revisions_of(headers: Headers) -> list[int] | None:
    """The revisions that If-Match names; None for any: for no such field, and for "*".

    Raises MalformedRequest as `precondition_of` does.
    """
    tags = _of_write(headers, "If-Match")
    if tags is None or tags.is_any:
        return None
    return [int(found[1]) for tag in tags.strong if (found := _REVISION.fullmatch(tag))]


def required_revisions_of(headers: Headers) -> list[int] | None:
    """Likewise. Raises PreconditionRequired where there is no If-Match (RFC 6585, section 3)."""
    if "if-match" not in headers:
        raise PreconditionRequired(
            "send If-Match with the entity tag of the description you change, or with *"
        )
    return revisions_of(headers)


def _of_write(headers: Headers, name: str) -> EntityTags | None:
    tags = parse_entity_tags(headers.getlist(name))
    if tags is not None and not tags.is_well_formed:
        raise MalformedRequest(f'{name} is neither * nor a list of entity tags ("…")')
    if tags is not None and len(tags.strong) + len(tags.weak) > MAX_TAGS:
        raise MalformedRequest(f"{name} names more than {MAX_TAGS} entity tags")
    return tags


def _told(tags: EntityTags, usable: tuple[str, ...]) -> list[str]:
    return ["*"] if tags.is_any else _digests(usable)


def _digests(tags: tuple[str, ...]) -> list[str]:
    return [found[1] for tag in tags if (found := _DIGEST.fullmatch(tag))]


def _date(headers: Headers, name: str) -> datetime | None:
    values = headers.getlist(name)
    return parse_http_date(values[0].strip(" \t")) if len(values) == 1 else None
