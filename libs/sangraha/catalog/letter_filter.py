"""Which dead letters are meant, and where in their order."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Text, Uuid, and_, cast, literal, tuple_

from sangraha.catalog.columns import MOMENT
from sangraha.catalog.tables import dead_letters
from sangraha.catalog.text import is_storable
from sangraha.errors import InvalidParameter

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
LetterState = Literal["waiting", "redriven", "all"]


class LetterFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The letters to which all of this applies; without anything, all.

    `error` and `queue` are whole names, `request_id` is one of those in the message, `text` is
    somewhere in the fault's message, in capitals or not. Recorded from `recorded_after` on, and
    before `recorded_before`.
    """

    error: str | None = None
    queue: str | None = None
    request_id: UUID | None = None
    recorded_after: Moment | None = None
    recorded_before: Moment | None = None
    text: str | None = None


class LetterPosition(msgspec.Struct, frozen=True, array_like=True, tag="letters"):
    """Where a letter stands in the order of their recording."""

    recorded_at: Moment
    letter_id: UUID


EVERY_LETTER = LetterFilter()


def matches(wanted: LetterFilter, state: LetterState) -> ColumnElement[bool]:
    """The condition on rows of `dead_letters`. Raises InvalidParameter for what none can have."""
    columns = dead_letters.c
    conditions: list[ColumnElement[bool]] = []
    if state != "all":
        is_waiting = columns.redriven_at.is_(None)
        conditions.append(is_waiting if state == "waiting" else ~is_waiting)
    if not all(is_storable(text or "") for text in (wanted.error, wanted.queue, wanted.text)):
        raise InvalidParameter("the filter has a character that no letter can have")
    if wanted.error is not None:
        conditions.append(columns.error == wanted.error)
    if wanted.queue is not None:
        conditions.append(columns.queue == wanted.queue)
    if wanted.request_id is not None:
        conditions.append(cast(columns.request_ids, Text).contains(str(wanted.request_id)))
    if wanted.recorded_after is not None:
        conditions.append(columns.recorded_at >= _moment(wanted.recorded_after))
    if wanted.recorded_before is not None:
        conditions.append(columns.recorded_at < _moment(wanted.recorded_before))
    if wanted.text:
        conditions.append(columns.reason.icontains(wanted.text, autoescape=True))
    return and_(literal(True), *conditions)


def is_past(position: LetterPosition, *, oldest_first: bool) -> ColumnElement[bool]:
    """The condition on rows that come after that position, in either order."""
    here = tuple_(dead_letters.c.recorded_at, dead_letters.c.letter_id)
    there = tuple_(
        literal(_moment(position.recorded_at), MOMENT), literal(position.letter_id, Uuid())
    )
    return here > there if oldest_first else here < there


def _moment(given: datetime) -> datetime:
    try:
        moment = given.astimezone(UTC)
    except (OverflowError, ValueError):
        raise InvalidParameter("a time is outside what can be kept") from None
    return moment
