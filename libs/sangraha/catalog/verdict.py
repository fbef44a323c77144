"""Requests as they come to be committed, and what is known of one before it is judged. No I/O."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from sangraha.errors import InternalFault, InvalidParameter
from sangraha.ids import made_at
from sangraha.messages import (
    Change,
    CopyObject,
    CreateBucket,
    Dead,
    DeleteBucket,
    DeleteName,
    Done,
    MoveObject,
    PatchBucket,
    Precondition,
    Rejected,
    WriteOutcome,
)
from sangraha.objects import Location, StoredObject


class NewObject(msgspec.Struct, frozen=True):
    """A create to be committed. `body_size` is that of the whole body its location is in.

    The object's version is given by the commit. `bucket_revision` is that of the bucket by whose
    rules it was judged, None where any will do.
    """

    object: StoredObject
    location: Location
    body_size: int
    precondition: Precondition | None = None
    bucket_revision: int | None = None

    @property
    def request_id(self) -> UUID:
        """A create's request has the id of its object."""
        return self.object.request_id


class Expired(msgspec.Struct, frozen=True):
    """The request is older than the longest life of one, by the database's clock.

    It was not committed: its body may have been swept away already.
    """

    request_id: UUID


class Swept(msgspec.Struct, frozen=True):
    """The body at `key` is being removed, or was: the request was not committed."""

    request_id: UUID
    key: str


Entry = NewObject | Rejected | Change


def storable(entry: Entry) -> Entry:
    """The entry, or its rejection where a database cannot hold it.

    Raises ValueError for a create whose object has another id than the request.
    """
    if isinstance(entry, NewObject) and entry.object.object_id != entry.object.request_id:
        raise ValueError(f"object {entry.object.object_id} of request {entry.object.request_id}")
    if not any("\0" in text for text in _texts(entry) if text is not None):
        return entry
    refusal = InvalidParameter("a name or content type contains the character U+0000")
    return Rejected(request_id=entry.request_id, problem=refusal.problem())


def operation_of(entry: Entry) -> str:
    """What the request is for, as outcomes name it; one that was refused says create."""
    if isinstance(entry, NewObject | Rejected):
        return "create"
    return str(entry.__struct_config__.tag)


def foregone(
    entry: Entry,
    *,
    made: Done | None,
    earlier: WriteOutcome | None,
    now: datetime,
    life: timedelta,
) -> WriteOutcome | Expired | None:
    """What the request comes to whatever is in the catalog; None where it has to be judged.

    `made` is what another commit of it made, `earlier` the other outcome it has. A dead one may
    still be done, at any age: its letter keeps its body from being swept.
    """
    if made is not None:
        return made
    if earlier is not None and not isinstance(earlier, Dead):
        return earlier
    if isinstance(entry, Rejected):
        return entry
    if earlier is None and made_at(entry.request_id) + life < now:
        return Expired(entry.request_id)
    return None


def check_same_content(
    entry: Entry, settled: Mapping[UUID, WriteOutcome | Expired | Swept]
) -> None:
    """Raises InternalFault if the request is recorded with another content than it has now."""
    outcome = settled[entry.request_id]
    if not isinstance(entry, NewObject) or not isinstance(outcome, Done) or outcome.object is None:
        return
    if entry.object.sha256 != outcome.object.sha256:
        raise InternalFault(
            f"request {entry.request_id} has SHA-256 {entry.object.sha256},"
            f" but is recorded with {outcome.object.sha256}",
            request_id=str(entry.request_id),
        )


def _texts(entry: Entry) -> tuple[str | None, ...]:
    match entry:
        case NewObject(object=new):
            return (
                new.bucket,
                new.name,
                new.file_name,
                new.content_type,
                new.declared_content_type,
                new.content_encoding,
            )
        case DeleteName() | CopyObject() | MoveObject():
            return (entry.bucket, entry.name)
        case CreateBucket() | PatchBucket() | DeleteBucket():
            return (entry.bucket,)
    return ()
