"""Changes of one object by its id: its end, and what it says of itself."""

import msgspec

from sangraha.catalog.ledger import Ledger
from sangraha.catalog.precondition import require
from sangraha.errors import PreconditionFailed
from sangraha.messages import DeleteObject, Done, PatchInfo
from sangraha.metadata import checked_metadata


def delete_object(ledger: Ledger, change: DeleteObject) -> Done:
    """Delete it for good; a marker's end brings back what is below it.

    Raises NotFound, Gone or PreconditionFailed.
    """
    held = ledger.object(change.object_id)
    require(change.precondition, held.stored.sha256 if held.live else None)
    ledger.remove(held)
    return Done(request_id=change.request_id)


def patch_info(ledger: Ledger, change: PatchInfo) -> Done:
    """Raises NotFound, Gone, PreconditionFailed or InvalidParameter."""
    held = ledger.live_object(change.object_id)
    require_revision(change.revisions, held.revision)
    patched = {**held.stored.metadata, **change.metadata}
    metadata = {key: value for key, value in patched.items() if value is not None}
    held.stored = msgspec.structs.replace(held.stored, metadata=checked_metadata(metadata))
    held.revision += 1
    return Done(request_id=change.request_id, object=held.stored, revision=held.revision)


def require_revision(wanted: list[int] | None, revision: int) -> None:
    """Raises PreconditionFailed unless the revision is among those wanted; None is any."""
    if wanted is not None and revision not in wanted:
        raise PreconditionFailed("If-Match names another revision than the present one")
