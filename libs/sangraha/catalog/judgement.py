"""What each request of a group comes to, and what it changes. No I/O."""

from sangraha.catalog.bucket_changes import create_bucket, delete_bucket, patch_bucket
from sangraha.catalog.ledger import Ledger
from sangraha.catalog.name_changes import delete_name, put_object
from sangraha.catalog.object_changes import delete_object, patch_info
from sangraha.catalog.transfers import copy_object, move_object
from sangraha.catalog.verdict import NewObject, Swept
from sangraha.errors import RequestRefused
from sangraha.messages import (
    Change,
    CopyObject,
    CreateBucket,
    DeleteBucket,
    DeleteName,
    DeleteObject,
    MoveObject,
    PatchBucket,
    PatchInfo,
    Rejected,
    WriteOutcome,
)


def judged(ledger: Ledger, entry: NewObject | Change) -> WriteOutcome | Swept:
    """The request's outcome, after those before it; the ledger then has its effects.

    One that is refused has none.
    """
    try:
        return _effect(ledger, entry)
    except RequestRefused as refusal:
        return Rejected(request_id=entry.request_id, problem=refusal.problem())


def _effect(ledger: Ledger, entry: NewObject | Change) -> WriteOutcome | Swept:  # noqa: PLR0911
    match entry:
        case NewObject():
            return put_object(ledger, entry)
        case DeleteName():
            return delete_name(ledger, entry)
        case DeleteObject():
            return delete_object(ledger, entry)
        case PatchInfo():
            return patch_info(ledger, entry)
        case CopyObject():
            return copy_object(ledger, entry)
        case MoveObject():
            return move_object(ledger, entry)
        case CreateBucket():
            return create_bucket(ledger, entry)
        case PatchBucket():
            return patch_bucket(ledger, entry)
        case DeleteBucket():
            return delete_bucket(ledger, entry)
