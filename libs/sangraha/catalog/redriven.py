"""Dead letters that leave: redriven ones, whose requests are on their way again, and deleted ones.

A redriven letter stays, and goes on pinning its bodies, until each of its requests is settled or
has become another letter. Until then its requests are recorded as dead still, so that they may be
committed at any age, with a mark that tells that they were accepted again.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Uuid, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.columns import DatabaseClock
from sangraha.catalog.letter_filter import LetterFilter, LetterPosition, is_past, matches
from sangraha.catalog.lookup import among, outcomes_of, padded
from sangraha.catalog.rows import json_of
from sangraha.catalog.tables import dead_letter_bodies, dead_letters, outcomes
from sangraha.errors import AlreadyRedriven, Problem
from sangraha.messages import Dead

_NOTE: Final = (
    update(dead_letters)
    .where(dead_letters.c.letter_id == bindparam("letter"))
    .values(redriven_at=DatabaseClock())
    .returning(dead_letters.c.request_ids, dead_letters.c.redriven_at)
)
_HOLD_DEAD: Final = (
    select(outcomes.c.request_id, outcomes.c.problem)
    .where(among(outcomes.c.request_id), outcomes.c.state == "dead")
    .order_by(outcomes.c.request_id)
    .with_for_update()
)
_TELL: Final = (
    update(outcomes)
    .where(outcomes.c.request_id == bindparam("request", type_=Uuid()))
    .values(problem=bindparam("told", type_=outcomes.c.problem.type))
)


async def note_redriven(connection: AsyncConnection, letter_id: UUID) -> datetime | None:
    """The message is on its queue again: note when, and tell it of the letter's requests. None
    where there is no such letter any more.

    Requests that came to an end meanwhile, or became another letter, stay as they are.
    """
    row = (await connection.execute(_NOTE, {"letter": letter_id})).first()
    if row is None:
        return None
    redriven_at: datetime = row.redriven_at
    ids = sorted({UUID(text) for text in row.request_ids})
    told: list[dict[str, Any]] = []
    if ids:
        for request_id, kept in (await connection.execute(_HOLD_DEAD, padded(ids))).all():
            problem = msgspec.convert(kept, Problem)
            if problem.members.get("letter_id") == str(letter_id):
                marked = problem.with_members(redriven_at=redriven_at.isoformat())
                told.append({"request": request_id, "told": json_of(marked)})
    if told:
        await connection.execute(_TELL, told)
    return redriven_at


async def retire(
    connection: AsyncConnection, *, limit: int, after: LetterPosition | None
) -> LetterPosition | None:
    """Let go of those of the next `limit` redriven letters whose requests are all settled. Where
    to go on, None if there are no more.
    """
    columns = dead_letters.c
    statement = (
        select(columns.letter_id, columns.recorded_at, columns.request_ids)
        .where(matches(LetterFilter(), "redriven"))
        .order_by(columns.recorded_at, columns.letter_id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(is_past(after, oldest_first=True))
    rows = (await connection.execute(statement)).all()
    for row in rows:
        if await _is_settled(connection, row.letter_id, row.request_ids):
            await _remove(connection, [row.letter_id])
    return LetterPosition(rows[-1].recorded_at, rows[-1].letter_id) if rows else None


async def delete_one(connection: AsyncConnection, letter_id: UUID) -> bool:
    """Delete the letter: nothing keeps its bodies from the sweep then, and its requests stay dead.
    False where there is none.

    Raises AlreadyRedriven where it was redriven and its requests are not settled yet.
    """
    statement = select(dead_letters.c.request_ids, dead_letters.c.redriven_at)
    held = statement.where(dead_letters.c.letter_id == letter_id).with_for_update()
    row = (await connection.execute(held)).first()
    if row is None:
        return False
    if row.redriven_at is not None and not await _is_settled(
        connection, letter_id, row.request_ids
    ):
        raise AlreadyRedriven(
            f"the dead letter {letter_id} was redriven, and its requests are not settled yet",
            redriven_at=row.redriven_at.isoformat(),
        )
    await _remove(connection, [letter_id])
    return True


async def delete_some(connection: AsyncConnection, wanted: LetterFilter, *, limit: int) -> int:
    """Delete up to `limit` of the letters that are meant and wait; how many there were."""
    statement = select(dead_letters.c.letter_id).where(matches(wanted, "waiting"))
    held = statement.order_by(dead_letters.c.letter_id).limit(limit).with_for_update()
    found = list(await connection.scalars(held))
    await _remove(connection, found)
    return len(found)


async def _is_settled(
    connection: AsyncConnection, letter_id: UUID, request_ids: Iterable[str]
) -> bool:
    ids = sorted({UUID(text) for text in request_ids})
    ended = await outcomes_of(connection, ids)
    return ended.keys() == set(ids) and not any(
        isinstance(outcome, Dead) and outcome.problem.members.get("letter_id") == str(letter_id)
        for outcome in ended.values()
    )


async def _remove(connection: AsyncConnection, letter_ids: list[UUID]) -> None:
    if letter_ids:
        for table in (dead_letter_bodies, dead_letters):
            await connection.execute(delete(table).where(table.c.letter_id.in_(letter_ids)))
