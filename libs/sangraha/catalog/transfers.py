"""Copies and moves: the same bytes at another place."""

import msgspec

from sangraha.buckets import BucketSettings
from sangraha.catalog.held import Held
from sangraha.catalog.ledger import Ledger
from sangraha.content_types.patterns import allows
from sangraha.errors import (
    AlreadyExists,
    BodyTooLarge,
    EmptyBody,
    EncodingNotAllowed,
    NotFound,
    TypeNotAllowed,
)
from sangraha.ids import made_at
from sangraha.messages import CopyObject, Done, MoveObject
from sangraha.objects import StoredObject


def copy_object(ledger: Ledger, change: CopyObject) -> Done:
    """Raises NotFound, Gone, AlreadyExists, or what the bucket's rules say."""
    source = ledger.live_object(change.object_id)
    _require_room(ledger, change, source.stored)
    location = source.location
    if location is None or ledger.bodies[location.key].is_condemned:
        raise NotFound(f"the bytes of the object {change.object_id} are being removed")
    at = made_at(change.request_id)
    stored = msgspec.structs.replace(
        source.stored,
        object_id=change.request_id,
        request_id=change.request_id,
        bucket=change.bucket,
        name=change.name,
        version=1,
        metadata=source.stored.metadata if change.metadata is None else change.metadata,
        created_at=at,
    )
    held = Held(stored=stored, location=location, body_size=source.body_size)
    held.replaced = ledger.put(held, at)
    return Done(request_id=change.request_id, object=held.stored, replaced=held.replaced)


def move_object(ledger: Ledger, change: MoveObject) -> Done:
    """Nothing happens to what is found at that name already.

    Raises NotFound, Gone, AlreadyExists, or what the bucket's rules say.
    """
    held = ledger.live_object(change.object_id)
    if held.is_current and (held.stored.bucket, held.stored.name) == (change.bucket, change.name):
        return Done(request_id=change.request_id, object=held.stored)
    _require_room(ledger, change, held.stored)
    at = made_at(change.request_id)
    ledger.take_away(held, change.request_id, at)
    ledger.relocate(held, change.bucket, change.name, at)
    replaced = ledger.put(held, at)
    return Done(
        request_id=change.request_id,
        object=held.stored,
        revision=held.revision,
        replaced=replaced,
    )


def _require_room(ledger: Ledger, change: CopyObject | MoveObject, source: StoredObject) -> None:
    """Raises an error unless the bucket takes the object, and the name is free or may be taken."""
    bucket = ledger.bucket(change.bucket).bucket
    _require_allowed(bucket, source, f"the bucket {change.bucket!r}")
    if not change.overwrite and ledger.live_at(change.bucket, change.name) is not None:
        raise AlreadyExists(f"there is something at {change.name!r} already")


def _require_allowed(rules: BucketSettings, source: StoredObject, where: str) -> None:
    limit, allowed = rules.max_object_bytes, rules.allowed_types
    if limit is not None and source.size > limit:
        raise BodyTooLarge(
            f"the object has {source.size} bytes; {where} takes up to {limit}", max_bytes=limit
        )
    if not allowed:
        return
    if source.content_encoding is not None:
        raise EncodingNotAllowed(f"{where} restricts types, and encoded bytes cannot be verified")
    if source.size == 0:
        raise EmptyBody(f"the object is empty, and {where} restricts types")
    if not allows(source.type, source.content_type, allowed):
        raise TypeNotAllowed(
            f"the object is of the type {source.content_type}, which {where} does not take",
            detected=source.content_type,
            allowed=list(allowed),
        )
