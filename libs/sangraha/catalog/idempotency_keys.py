"""Idempotency keys: the first request that comes with one gives it its id, for a day at least."""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Executable, and_, bindparam, delete, exists, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.columns import MOMENT, DatabaseClock
from sangraha.catalog.tables import idempotency_keys, objects, outcomes, purges
from sangraha.catalog.upsert import insert_for
from sangraha.errors import IdempotencyKeyReused

KEPT: Final = timedelta(days=1)
"""How long a key is remembered at least."""
_GRACE: Final = timedelta(hours=1)
"""How much older than the longest life of a request a key is whose request cannot come any more:
ids carry the receiver's time, keys the database's.
"""


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """The caller's key, or one `member` of it, is to stand for this request if it is new."""

    caller: str
    key: str
    member: int
    fingerprint: str
    request_id: UUID


_ROW: Final = (idempotency_keys.c.caller, idempotency_keys.c.key, idempotency_keys.c.member)


@cache
def _reserve(dialect: str) -> Executable:
    added = insert_for(dialect, idempotency_keys).values(reserved_at=DatabaseClock())
    # Changes nothing, but waits for whoever is at the row, and returns what it says.
    return added.on_conflict_do_update(
        index_elements=_ROW, set_={"fingerprint": idempotency_keys.c.fingerprint}
    ).returning(
        idempotency_keys.c.member, idempotency_keys.c.fingerprint, idempotency_keys.c.request_id
    )


async def reserve(connection: AsyncConnection, wanted: Sequence[Reservation]) -> list[UUID]:
    """The requests that these members of one key stand for, in the order given: those wanted, or
    those of whoever came first.

    Raises IdempotencyKeyReused where one of them was reserved for something else.
    """
    # In one order everywhere, so that those who share a key wait for each other.
    rows = [msgspec.structs.asdict(one) for one in sorted(wanted, key=lambda one: one.member)]
    answer = await connection.execute(_reserve(connection.dialect.name), rows)
    found = {member: (fingerprint, request_id) for member, fingerprint, request_id in answer}
    for one in wanted:
        if found[one.member][0] != one.fingerprint:
            raise IdempotencyKeyReused(
                "this Idempotency-Key was sent with another request before: a key is for one "
                "request and for sending the same again"
            )
    return [found[one.member][1] for one in wanted]


def _is_request(column: Any) -> Any:
    return column == idempotency_keys.c.request_id


_HAS_ENDED: Final = or_(
    exists().where(_is_request(objects.c.object_id), objects.c.body_id.is_not(None)),
    exists().where(_is_request(outcomes.c.request_id), outcomes.c.state != "dead"),
)
# A dead one may be sent again at any age, and what goes on in the background has no age.
_MAY_STILL_END: Final = or_(
    exists().where(_is_request(outcomes.c.request_id)),
    exists().where(_is_request(purges.c.request_id)),
)
_OLD: Final = (
    select(*_ROW)
    .where(
        idempotency_keys.c.reserved_at < bindparam("kept_since", type_=MOMENT),
        or_(
            _HAS_ENDED,
            and_(
                idempotency_keys.c.reserved_at < bindparam("alive_since", type_=MOMENT),
                ~_MAY_STILL_END,
            ),
        ),
    )
    .order_by(idempotency_keys.c.reserved_at)
    .limit(bindparam("limit"))
    # Waits for nobody, so that it cannot deadlock with who reserves many members at once.
    .with_for_update(of=idempotency_keys, skip_locked=True)
)
_FORGET: Final = delete(idempotency_keys).where(tuple_(*_ROW).in_(_OLD))


async def forget(connection: AsyncConnection, *, life: timedelta, limit: int) -> int:
    """Forget up to `limit` keys older than KEPT; how many there were.

    A key stays for as long as its request may still be committed: without an outcome, that is the
    longest life of a request. So no key is given a second request while the first is on its way.
    """
    now = (await connection.execute(select(DatabaseClock()))).scalar_one()
    times = {"kept_since": now - KEPT, "alive_since": now - max(KEPT, life + _GRACE)}
    forgotten = await connection.execute(_FORGET, {**times, "limit": limit})
    return forgotten.rowcount
