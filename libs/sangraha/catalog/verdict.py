"""What each request of a group comes to, once the database said what is there. No I/O."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from sangraha.errors import InternalFault, InvalidParameter
from sangraha.ids import made_at
from sangraha.messages import Dead, Done, Rejected, WriteOutcome
from sangraha.objects import Location, StoredObject


class NewObject(msgspec.Struct, frozen=True):
    """A create to be committed. `body_size` is that of the whole body its location is in."""

    object: StoredObject
    location: Location
    body_size: int

    @property
    def request_id(self) -> UUID:
        """A create's request has the id of its object."""
        return self.object.request_id


class Expired(msgspec.Struct, frozen=True):
    """The request is older than the longest life of one, by the database's clock.

    It was not committed: its body may have been swept away already.
    """

    request_id: UUID


Entry = NewObject | Rejected


def storable(entry: Entry) -> Entry:
    """The entry, or its rejection where a database cannot hold it.

    Raises ValueError for a create whose object has another id than the request.
    """
    if isinstance(entry, Rejected):
        return entry
    stored = entry.object
    if stored.object_id != stored.request_id:
        raise ValueError(f"object {stored.object_id} of request {stored.request_id}")
    texts = (stored.name, stored.file_name, stored.content_type, stored.declared_content_type)
    if not any("\0" in text for text in texts if text is not None):
        return entry
    refusal = InvalidParameter("a name or content type contains the character U+0000")
    return Rejected(request_id=entry.request_id, problem=refusal.problem())


def verdict(
    entry: Entry,
    *,
    recorded: StoredObject | None,
    earlier: Rejected | Dead | None,
    now: datetime,
    life: timedelta,
) -> WriteOutcome | Expired:
    """What the request comes to.

    `recorded` is the object that another commit made for it, `earlier` the outcome it has. A dead
    one may still be done, at any age: its letter keeps its body from being swept.
    """
    if recorded is not None:
        return Done(request_id=entry.request_id, object=recorded)
    if isinstance(earlier, Rejected):
        return earlier
    if isinstance(entry, Rejected):
        return entry
    if earlier is None and made_at(entry.request_id) + life < now:
        return Expired(entry.request_id)
    return Done(request_id=entry.request_id, object=entry.object)


def check_same_content(entry: Entry, settled: Mapping[UUID, WriteOutcome | Expired]) -> None:
    """Raises InternalFault if the request is recorded with another content than it has now."""
    outcome = settled[entry.request_id]
    if not isinstance(entry, NewObject) or not isinstance(outcome, Done):
        return
    if entry.object.sha256 != outcome.object.sha256:
        raise InternalFault(
            f"request {entry.request_id} has SHA-256 {entry.object.sha256},"
            f" but is recorded with {outcome.object.sha256}",
            request_id=str(entry.request_id),
        )
