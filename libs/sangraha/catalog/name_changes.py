"""Changes of what is found at a name: a new version, or a marker."""

from sangraha.catalog.held import Held
from sangraha.catalog.ledger import Ledger
from sangraha.catalog.precondition import require
from sangraha.catalog.verdict import NewObject, Swept
from sangraha.errors import NotFound
from sangraha.ids import made_at
from sangraha.messages import DeleteName, Done


def put_object(ledger: Ledger, new: NewObject) -> Done | Swept:
    """Raises NotFound or PreconditionFailed."""
    stored = new.object
    ledger.bucket(stored.bucket)
    there = ledger.live_at(stored.bucket, stored.name)
    on_top = require(new.precondition, there.stored.sha256 if there else None)
    if ledger.bodies[new.location.key].is_condemned:
        return Swept(new.request_id, new.location.key)
    held = Held(stored=stored, location=new.location, body_size=new.body_size)
    held.replaced = ledger.put(held, stored.created_at, on_top=on_top)
    return Done(request_id=new.request_id, object=held.stored, replaced=held.replaced)


def delete_name(ledger: Ledger, change: DeleteName) -> Done:
    """Raises NotFound or PreconditionFailed."""
    ledger.bucket(change.bucket)
    there = ledger.live_at(change.bucket, change.name)
    if there is None:
        raise NotFound(f"there is nothing at {change.name!r} in the bucket {change.bucket!r}")
    on_top = require(change.precondition, there.stored.sha256)
    at = made_at(change.request_id)
    ledger.mark((change.bucket, change.name), change.request_id, at, on_top=on_top)
    return Done(request_id=change.request_id)
