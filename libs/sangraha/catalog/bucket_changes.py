"""Changes of buckets: made, given other rules, deleted."""

import msgspec

from sangraha.buckets import DEFAULT_BUCKET, Bucket, BucketSettings
from sangraha.catalog.held import BUCKET_DELETED, BUCKET_LIVE, BUCKET_PURGING, HeldBucket, Purge
from sangraha.catalog.ledger import Ledger
from sangraha.catalog.merge_patch import merged
from sangraha.catalog.object_changes import require_revision
from sangraha.errors import AlreadyExists, BucketNotEmpty, InvalidParameter
from sangraha.ids import made_at
from sangraha.messages import CreateBucket, DeleteBucket, Done, PatchBucket, Underway
from sangraha.metadata import checked_metadata


def create_bucket(ledger: Ledger, change: CreateBucket) -> Done:
    """Raises AlreadyExists. One that was deleted goes on counting its revisions."""
    there = ledger.buckets.get(change.bucket)
    if there is not None and there.state != BUCKET_DELETED:
        raise AlreadyExists(f"there is a bucket {change.bucket!r} already")
    bucket = Bucket(
        name=change.bucket,
        created_at=made_at(change.request_id),
        revision=there.bucket.revision + 1 if there else 1,
        **msgspec.structs.asdict(change.settings),
    )
    was_emptied = there is not None and there.was_emptied
    ledger.buckets[change.bucket] = HeldBucket(
        bucket, BUCKET_LIVE, is_changed=True, was_emptied=was_emptied
    )
    return Done(request_id=change.request_id, bucket=bucket)


def patch_bucket(ledger: Ledger, change: PatchBucket) -> Done:
    """Raises NotFound, PreconditionFailed or InvalidParameter."""
    held = ledger.bucket(change.bucket)
    require_revision(change.revisions, held.bucket.revision)
    document = merged(msgspec.to_builtins(held.bucket), change.changes)
    try:
        settings = msgspec.convert(document, BucketSettings)
    except msgspec.ValidationError as error:
        raise InvalidParameter(f"the bucket cannot have these settings: {error}") from None
    checked_metadata(settings.default_metadata)
    held.bucket = msgspec.structs.replace(
        held.bucket, revision=held.bucket.revision + 1, **msgspec.structs.asdict(settings)
    )
    held.is_changed = True
    return Done(request_id=change.request_id, bucket=held.bucket)


def delete_bucket(ledger: Ledger, change: DeleteBucket) -> Done | Underway:
    """Raises InvalidParameter for the default one, NotFound, or BucketNotEmpty."""
    if change.bucket == DEFAULT_BUCKET:
        raise InvalidParameter("the default bucket cannot be deleted")
    held = ledger.bucket(change.bucket)
    if not held.live:
        ledger.close(held)
        return Done(request_id=change.request_id)
    if not change.purge:
        raise BucketNotEmpty(f"the bucket {change.bucket!r} holds objects")
    held.state, held.is_changed = BUCKET_PURGING, True
    ledger.purges.append(Purge(change.request_id, change.bucket, held.live))
    return Underway(request_id=change.request_id, done=0, total=held.live)
