"""Dead letters: messages that were given up, kept with the reason for an operator.

A letter pins the bodies that it names: while it is there, they are not swept.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import LargeBinary, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.broker.protocol import Fault
from sangraha.catalog.columns import DatabaseClock
from sangraha.catalog.condemned import hold_letters
from sangraha.catalog.letter_filter import (
    LetterFilter,
    LetterPosition,
    LetterState,
    is_past,
    matches,
)
from sangraha.catalog.lookup import created, underway
from sangraha.catalog.rows import AnyRow, json_of
from sangraha.catalog.tables import dead_letter_bodies, dead_letters, outcomes
from sangraha.catalog.text import is_storable, replaced
from sangraha.catalog.upsert import insert
from sangraha.errors import RequestDead


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was given up. `queue` is where it came from.

    `request_ids` are those known to be in it; a body that cannot be decoded names none. `body_keys`
    are where the bodies of its creates are in the store, or would be. `body` is None in lists;
    `body_size` is in bytes. `redriven_at` is when it was last put on its queue again, if it was.
    """

    letter_id: UUID
    message_id: str
    queue: str
    request_ids: list[UUID]
    body_keys: list[str]
    fault: Fault
    headers: dict[str, str | int]
    body: bytes | None
    body_size: int
    recorded_at: datetime
    redriven_at: datetime | None = None

    @property
    def position(self) -> LetterPosition:
        """Where it stands among the others."""
        return LetterPosition(self.recorded_at, self.letter_id)


_COLUMNS: Final = tuple(
    dead_letters.c[name] for name in DeadLetter.__struct_fields__ if name != "body_keys"
)
_DESCRIBED: Final = tuple(column for column in _COLUMNS if column is not dead_letters.c.body)


async def record(connection: AsyncConnection, letter: DeadLetter) -> None:
    """Keep the letter, pin its bodies, and mark its requests dead, those that have no outcome yet.
    Those that were dead before name this letter from now on.

    A letter that is there already changes nothing: its requests may have been sent again since.
    """
    await hold_letters(connection, shared=True)
    fields = msgspec.structs.asdict(letter)
    del fields["body_keys"]
    row = {
        **fields,
        "message_id": replaced(letter.message_id),
        "queue": replaced(letter.queue),
        "error": replaced(letter.fault.error),
        "reason": replaced(letter.fault.message),
        "request_ids": json_of(letter.request_ids),
        "fault": json_of(letter.fault),
        "headers": json_of(letter.headers),
    }
    added = await connection.execute(
        insert(connection, dead_letters)
        .values(row)
        .on_conflict_do_nothing(index_elements=[dead_letters.c.letter_id])
        .returning(dead_letters.c.letter_id)
    )
    if added.first() is None:
        return
    pins = [
        {"key": key, "letter_id": letter.letter_id}
        for key in sorted({*letter.body_keys})
        if is_storable(key)
    ]
    if pins:
        await connection.execute(dead_letter_bodies.insert(), pins)
    if letter.request_ids:
        await _mark_dead(connection, letter)


async def _mark_dead(connection: AsyncConnection, letter: DeadLetter) -> None:
    request_ids = sorted(set(letter.request_ids))
    settled = {
        *await created(connection, request_ids),
        *await underway(connection, request_ids),
    }
    problem = json_of(RequestDead(letter_id=str(letter.letter_id)).problem())
    dead = [
        {"request_id": request_id, "problem": problem}
        for request_id in request_ids
        if request_id not in settled
    ]
    if dead:
        added = insert(connection, outcomes).values(
            operation="create", state="dead", completed_at=DatabaseClock()
        )
        await connection.execute(
            added.on_conflict_do_update(
                index_elements=[outcomes.c.request_id],
                set_={name: added.excluded[name] for name in ("problem", "completed_at")},
                where=outcomes.c.state == "dead",
            ),
            dead,
        )


async def some(
    connection: AsyncConnection,
    wanted: LetterFilter,
    *,
    limit: int,
    state: LetterState,
    after: LetterPosition | None,
    oldest_first: bool,
) -> list[DeadLetter]:
    """Up to `limit` of the letters that are meant, without their bodies, from the one after that
    position. Raises InvalidParameter for a filter that no letter can match.
    """
    order = (dead_letters.c.recorded_at, dead_letters.c.letter_id)
    statement = (
        select(*_DESCRIBED, literal(None, LargeBinary).label("body"))
        .where(matches(wanted, state))
        .order_by(*(column.asc() if oldest_first else column.desc() for column in order))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(is_past(after, oldest_first=oldest_first))
    rows = (await connection.execute(statement)).all()
    keys = await _body_keys(connection, [row.letter_id for row in rows])
    return [_letter_of(row, keys.get(row.letter_id, [])) for row in rows]


async def one(connection: AsyncConnection, letter_id: UUID) -> DeadLetter | None:
    """The letter with its body, or None."""
    statement = select(*_COLUMNS).where(dead_letters.c.letter_id == letter_id)
    row = (await connection.execute(statement)).first()
    if row is None:
        return None
    keys = await _body_keys(connection, [letter_id])
    return _letter_of(row, keys.get(letter_id, []))


async def _body_keys(
    connection: AsyncConnection, letter_ids: Collection[UUID]
) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = {}
    pins = dead_letter_bodies.c
    statement = select(pins.letter_id, pins.key).where(pins.letter_id.in_(letter_ids))
    for letter_id, key in await connection.execute(statement.order_by(pins.key)):
        found.setdefault(letter_id, []).append(key)
    return found


def _letter_of(row: AnyRow, body_keys: list[str]) -> DeadLetter:
    fields = dict(row._mapping)
    fields["request_ids"] = [UUID(text) for text in fields["request_ids"]]
    fields["fault"] = msgspec.convert(fields["fault"], Fault)
    return DeadLetter(**fields, body_keys=body_keys)
