"""What each write comes to before it is committed: what its bytes are, and whether they are taken.

No I/O: the same at every delivery, as long as the bucket's rules are.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from sangraha.buckets import Bucket
from sangraha.catalog.verdict import Entry, NewObject
from sangraha.content_types import ContentType, encoded, judge, judge_seen
from sangraha.errors import BodyTooLarge, NotFound, RequestRefused
from sangraha.ids import made_at
from sangraha.messages import (
    Claimed,
    CreateBucket,
    CreateObject,
    DeleteBucket,
    Inline,
    PatchBucket,
    Rejected,
    WriteRequest,
)
from sangraha.metadata import checked_metadata
from sangraha.objects import Location, StoredObject
from sangraha.store.keys import object_key

FIRST_VERSION: Final = 1


def verdicts(requests: Sequence[WriteRequest], buckets: Mapping[str, Bucket]) -> list[Entry]:
    """The verdict on each."""
    return [verdict(request, buckets) for request in requests]


def verdict(request: WriteRequest, buckets: Mapping[str, Bucket]) -> Entry:
    """What is to be committed for the request; `buckets` are those there are, by name. The commit
    of a create is bound to the revision of its bucket.
    """
    if not isinstance(request, CreateObject):
        return request
    try:
        return _new_object(request, buckets.get(request.bucket))
    except RequestRefused as error:
        return Rejected(request_id=request.request_id, problem=error.problem())


def runs(requests: Sequence[WriteRequest]) -> list[list[WriteRequest]]:
    """The requests in their order, in runs that are judged and committed together: a create whose
    bucket one before it makes, changes or deletes begins another run, to be judged by those rules.
    """
    found: list[list[WriteRequest]] = [[]]
    changed: set[str] = set()
    for request in requests:
        if isinstance(request, CreateObject) and request.bucket in changed:
            found.append([])
            changed.clear()
        found[-1].append(request)
        if isinstance(request, CreateBucket | PatchBucket | DeleteBucket):
            changed.add(request.bucket)
    return found


def body_key(request: CreateObject) -> str:
    """Where the request's body lies in the store, or will."""
    if isinstance(request.content, Claimed):
        return request.content.key
    return object_key(request.bucket, request.request_id, request.file_name)


def _new_object(request: CreateObject, bucket: Bucket | None) -> NewObject:
    # Not left to the commit: a bucket that is made in the meantime has rules, too.
    if bucket is None:
        raise NotFound(f"there is no bucket {request.bucket!r}")
    size, limit = request.content.size, bucket.max_object_bytes
    if limit is not None and size > limit:
        raise BodyTooLarge(
            f"the body has {size} bytes; the bucket {bucket.name!r} takes up to {limit}",
            max_bytes=limit,
        )
    metadata = checked_metadata({**bucket.default_metadata, **request.metadata})
    found = _content_type(request, bucket)
    stored = StoredObject(
        object_id=request.request_id,
        request_id=request.request_id,
        bucket=request.bucket,
        name=request.name,
        file_name=request.file_name,
        version=FIRST_VERSION,
        type=found.type,
        content_type=found.content_type,
        declared_content_type=request.declared_content_type,
        content_encoding=request.content_encoding,
        size=size,
        sha256=_sha256(request.content),
        metadata=metadata,
        created_at=request.came_at or made_at(request.request_id),
    )
    location = Location(body_key(request), 0, size)
    return NewObject(stored, location, size, request.precondition, bucket.revision)


def _content_type(request: CreateObject, bucket: Bucket) -> ContentType:
    declared, rules = request.declared_content_type, bucket.allowed_types
    if request.content_encoding is not None:
        return encoded(declared, request.content_encoding, request.allowed, rules)
    name = request.file_name
    match request.content:
        case Inline(body=body):
            return judge(body, request.allowed, declared, name, also_allowed=rules)
        case Claimed(seen=seen):
            return judge_seen(seen, request.allowed, declared, name, also_allowed=rules)


def _sha256(content: Inline | Claimed) -> str:
    if isinstance(content, Claimed):
        return content.sha256
    return hashlib.sha256(content.body).hexdigest()
