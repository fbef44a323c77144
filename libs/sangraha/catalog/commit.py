"""The transaction that commits a group of requests: effects and outcomes, all or nothing.

    hold     what the group is about: buckets, names and bodies
    read     all of that, as it stays until the end
    judge    each request in the order given, after the effects of those before it (no I/O)
    write    what changed, and a row for each request: from here on nobody else commits it
    look     for what earlier commits of the same requests recorded

Until then each is taken to be new. Where one is not, all is undone and begun again with that known:
a redelivery takes two rounds, so that whatever comes for the first time takes a single one without
asking before it writes.

Everything is held in one order everywhere, so that groups wait for each other and never deadlock.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog import outcomes
from sangraha.catalog.bodies import hold_bodies, retain
from sangraha.catalog.claims import claim, give_up
from sangraha.catalog.judgement import judged
from sangraha.catalog.ledger import Ledger
from sangraha.catalog.lookup import created, recorded, underway
from sangraha.catalog.reading import ledger_of
from sangraha.catalog.scope import Scope
from sangraha.catalog.verdict import (
    Entry,
    Expired,
    NewObject,
    Swept,
    check_same_content,
    foregone,
    operation_of,
    storable,
)
from sangraha.catalog.writing import begin_purges, settle_bodies, write_changes
from sangraha.errors import InternalFault
from sangraha.messages import (
    CopyObject,
    Dead,
    DeleteBucket,
    Done,
    Rejected,
    Underway,
    WriteOutcome,
)

Settled = WriteOutcome | Expired | Swept


class SettledBeforeError(Exception):
    """These and no other requests came to an end before: begin again without their effects."""

    def __init__(self, request_ids: Collection[UUID]) -> None:
        super().__init__(f"{len(request_ids)} requests came to an end before")
        self.request_ids = request_ids


async def commit_group(
    connection: AsyncConnection,
    given: Sequence[Entry],
    *,
    life: timedelta,
    settled_before: Collection[UUID] = (),
) -> list[Settled]:
    """Commit the group inside the connection's transaction; outcomes in the order given.

    Raises InternalFault if a request is recorded with other content, RulesChangedError, and two
    errors after which the transaction is to be begun again: TargetMovedError, and
    SettledBeforeError where other requests than `settled_before` came to an end before.
    """
    entries: dict[UUID, Entry] = {}
    for entry in given:
        entries.setdefault(entry.request_id, storable(entry))
    scope = Scope(entries.values())
    ledger = await ledger_of(connection, scope)
    plain = {
        request_id: new
        for request_id, new in scope.plain.items()
        if ledger.is_open(new.object.bucket)
    }
    for entry in entries.values():
        if isinstance(entry, NewObject):
            ledger.body_sizes[entry.location.key] = entry.body_size
    ledger.bodies = await hold_bodies(connection, ledger.body_sizes)
    # A row of the request's own id was read: it is there already.
    old = {*settled_before, *(entries.keys() & ledger.objects.keys())}
    settled: dict[UUID, Settled] = {
        request_id: _judged(ledger, entry, plain)
        for request_id, entry in entries.items()
        if request_id not in old
    }
    await write_changes(connection, ledger)
    claimed, now = await claim(connection, entries, plain, ledger)
    made, earlier = await _recorded(connection, entries, claimed)

    ended: dict[UUID, Settled] = {}
    for request_id, entry in entries.items():
        outcome = foregone(
            entry,
            made=made.get(request_id),
            earlier=earlier.get(request_id),
            now=now,
            life=life,
        )
        if outcome is None and request_id not in claimed:
            raise InternalFault(
                f"request {request_id} has a row, but no outcome", request_id=str(request_id)
            )
        if outcome is not None and outcome is not entry:
            ended[request_id] = outcome
    # What became of a plain create changes nothing for the others.
    before = ended.keys() - plain.keys()
    if before != old - plain.keys():
        raise SettledBeforeError(before)
    settled |= ended
    for entry in given:
        check_same_content(entry, settled)

    await begin_purges(connection, ledger)
    await settle_bodies(connection, ledger)
    put = {i for i in plain if i in claimed and isinstance(settled[i], Done)}
    bodies = (ledger.bodies[plain[request_id].location.key] for request_id in put)
    await retain(connection, {body.body_id for body in bodies if body.was_released})
    await give_up(connection, claimed - ledger.made.keys() - put)
    await _record(connection, entries, settled, earlier)
    return [settled[entry.request_id] for entry in given]


async def _recorded(
    connection: AsyncConnection, entries: Mapping[UUID, Entry], claimed: Collection[UUID]
) -> tuple[dict[UUID, Done], dict[UUID, WriteOutcome]]:
    """What requests made whose ids were there before; and the other outcomes."""
    others = [request_id for request_id in entries if request_id not in claimed]
    begun = [i for i, entry in entries.items() if isinstance(entry, DeleteBucket)]
    earlier: dict[UUID, WriteOutcome] = {}
    if begun:
        earlier.update(await underway(connection, begun))
    earlier.update(await recorded(connection, list(entries)))
    return await created(connection, others) if others else {}, earlier


def _judged(ledger: Ledger, entry: Entry, plain: Collection[UUID]) -> WriteOutcome | Swept:
    if isinstance(entry, Rejected):
        return entry
    if not isinstance(entry, NewObject) or entry.request_id not in plain:
        return judged(ledger, entry)
    if ledger.bodies[entry.location.key].is_condemned:
        return Swept(entry.request_id, entry.location.key)
    return Done(request_id=entry.request_id, object=entry.object)


async def _record(
    connection: AsyncConnection,
    entries: Mapping[UUID, Entry],
    settled: Mapping[UUID, Settled],
    earlier: Mapping[UUID, WriteOutcome],
) -> None:
    """Record what no object says."""
    ended: dict[UUID, tuple[str, Done | Rejected]] = {}
    revived = []
    for request_id, outcome in settled.items():
        entry, before = entries[request_id], earlier.get(request_id)
        if outcome is before:
            continue
        told_by_object = isinstance(entry, NewObject | CopyObject | Rejected)
        if isinstance(outcome, Rejected) or (isinstance(outcome, Done) and not told_by_object):
            ended[request_id] = operation_of(entry), outcome
        elif isinstance(outcome, Done | Underway) and isinstance(before, Dead):
            revived.append(request_id)
    await outcomes.record(connection, ended)
    await outcomes.revive(connection, revived)
