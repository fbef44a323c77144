"""What a group of requests is about: names, buckets and objects, as its entries say. No I/O."""

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from sangraha.buckets import DEFAULT_BUCKET
from sangraha.catalog.ledger import NameKey
from sangraha.catalog.verdict import Entry, NewObject
from sangraha.ids import made_at
from sangraha.messages import (
    CopyObject,
    CreateBucket,
    DeleteBucket,
    DeleteName,
    DeleteObject,
    MoveObject,
    PatchBucket,
    PatchInfo,
)


class Scope:
    """All that must be known, and held, before the entries can be judged.

    `plain` are the creates for which their order does not matter: without a name or precondition,
    and nothing else in the group is about them or changes their bucket. `placed` are the times of
    requests that put something at a name, `newest` is the youngest of those. `judged_by` are the
    revisions of buckets by which creates were judged.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.plain: dict[UUID, NewObject] = {}
        self.names: set[NameKey] = set()
        self.buckets: set[str] = set()
        self.changed_buckets: set[str] = set()
        self.deleted_buckets: set[str] = set()
        self.targets: set[UUID] = set()
        self.copied: set[UUID] = set()
        self.removed: set[UUID] = set()
        self.placed: dict[NameKey, set[datetime]] = {}
        self.newest = datetime.min.replace(tzinfo=UTC)
        self.judged_by: dict[str, set[int]] = {}
        creates = []
        for entry in entries:
            if isinstance(entry, NewObject):
                creates.append(entry)
            else:
                self._add(entry)
        for entry in creates:
            self._add_create(entry)

    def _add(self, entry: Entry) -> None:
        match entry:
            case DeleteName():
                self._add_place(entry.bucket, entry.name, made_at(entry.request_id))
            case DeleteObject():
                self.targets.add(entry.object_id)
                self.removed.add(entry.object_id)
            case PatchInfo():
                self.targets.add(entry.object_id)
            case CopyObject():
                self.targets.add(entry.object_id)
                self.copied.add(entry.object_id)
                self._add_place(entry.bucket, entry.name, made_at(entry.request_id))
            case MoveObject():
                self.targets.add(entry.object_id)
                self.removed.add(entry.object_id)
                self._add_place(entry.bucket, entry.name, made_at(entry.request_id))
            case CreateBucket() | PatchBucket() | DeleteBucket():
                self.buckets.add(entry.bucket)
                self.changed_buckets.add(entry.bucket)
                if isinstance(entry, DeleteBucket):
                    self.deleted_buckets.add(entry.bucket)

    def _add_create(self, entry: NewObject) -> None:
        new = entry.object
        if entry.bucket_revision is not None:
            self.buckets.add(new.bucket)
            self.judged_by.setdefault(new.bucket, set()).add(entry.bucket_revision)
        is_plain = (
            new.name is None
            and entry.precondition is None
            and new.object_id not in self.targets
            and new.bucket not in self.changed_buckets
        )
        if not is_plain:
            self.newest = max(self.newest, new.created_at)
            self._add_place(new.bucket, new.name, new.created_at)
            return
        self.plain[entry.request_id] = entry
        # The default bucket is always there.
        if new.bucket != DEFAULT_BUCKET:
            self.buckets.add(new.bucket)

    def _add_place(self, bucket: str, name: str | None, at: datetime) -> None:
        self.buckets.add(bucket)
        if name is not None:
            self.names.add((bucket, name))
            self.placed.setdefault((bucket, name), set()).add(at)
            self.newest = max(self.newest, at)
