"""What a group of requests is about, in memory: its entries are judged against this, one after
the other, and change it. Nothing here reads or writes a database.
"""

from datetime import datetime
from uuid import UUID

import msgspec

from sangraha.buckets import DEFAULT_BUCKET
from sangraha.catalog.held import (
    BUCKET_DELETED,
    BUCKET_LIVE,
    BUCKET_PURGING,
    Held,
    HeldBody,
    HeldBucket,
    Purge,
    blank,
)
from sangraha.catalog.versions import Versions
from sangraha.errors import Gone, NotFound

NameKey = tuple[str, str]
"""A bucket and a name in it."""


class Ledger:
    """Buckets, names, objects and bodies as they are now.

    `body_sizes` are the keys of the bodies that may get another object, or lose one, and their
    sizes; `bodies` are those, once they are held. `made` are the rows that are new, each by the id
    of the request that makes it. `now` is the database's time at which the names were read, if
    there are any.
    """

    def __init__(self) -> None:
        self.buckets: dict[str, HeldBucket] = {}
        self.names: dict[NameKey, Versions] = {}
        self.objects: dict[UUID, Held] = {}
        self.made: dict[UUID, Held] = {}
        self.body_sizes: dict[str, int] = {}
        self.bodies: dict[str, HeldBody] = {}
        self.purges: list[Purge] = []
        self.now: datetime | None = None

    def bucket(self, name: str) -> HeldBucket:
        """The bucket. Raises NotFound unless it is live."""
        held = self.buckets.get(name)
        if held is None or held.state != BUCKET_LIVE:
            raise NotFound(f"there is no bucket {name!r}")
        return held

    def is_open(self, name: str) -> bool:
        """Whether objects may be put into the bucket; the default one always is."""
        held = self.buckets.get(name)
        return name == DEFAULT_BUCKET or (held is not None and held.state == BUCKET_LIVE)

    def object(self, object_id: UUID) -> Held:
        """The object or marker. Raises NotFound where there is none, Gone where it was deleted."""
        held = self.objects.get(object_id)
        if held is None or self.buckets[held.stored.bucket].state == BUCKET_PURGING:
            raise NotFound(f"there is no object {object_id}")
        if not held.stands:
            if held.location is None:
                raise NotFound(f"there is no object {object_id}")
            raise Gone(f"the object {object_id} was deleted")
        return held

    def live_object(self, object_id: UUID) -> Held:
        """The object. Raises NotFound where there is none, Gone where it was deleted."""
        held = self.object(object_id)
        if not held.live:
            raise NotFound(f"there is no object {object_id}")
        return held

    def live_at(self, bucket: str, name: str | None) -> Held | None:
        """The object that is found at the name."""
        return None if name is None else self.names[bucket, name].live

    def put(self, held: Held, at: datetime, *, on_top: bool = False) -> bool:
        """Add an object where its bucket and name say, made by a request of that time. Whether it
        replaced another at that name.

        The oldest versions go if the bucket keeps only so many.
        """
        bucket = self.buckets[held.stored.bucket]
        if held.before is None:
            self.made[held.object_id] = held
        self.objects[held.object_id] = held
        bucket.live += 1
        if held.stored.name is None:
            return False
        versions = self.names[bucket.bucket.name, held.stored.name]
        replaced = versions.put(held, at, on_top=on_top)
        if (keep := bucket.bucket.versions_to_keep) is not None:
            bucket.live -= len(versions.trim(keep))
        return replaced

    def mark(self, key: NameKey, request_id: UUID, at: datetime, *, on_top: bool) -> None:
        """Add a marker, as a request of that time does."""
        marker = blank(request_id, *key, at, is_marker=True)
        self.objects[request_id] = self.made[request_id] = marker
        self.names[key].put(marker, at, on_top=on_top)

    def remove(self, held: Held) -> None:
        """Delete an object for good, or take a marker away."""
        if held.live:
            self.buckets[held.stored.bucket].live -= 1
        held.live = held.is_marker = False
        if held.stored.name is not None:
            self.names[held.stored.bucket, held.stored.name].settle()

    def take_away(self, held: Held, request_id: UUID, at: datetime) -> None:
        """Take a live object from where it is, so that it can be put elsewhere.

        If it was what is found at its name, a marker is left there. Otherwise, nobody may have its
        number after it.
        """
        self.buckets[held.stored.bucket].live -= 1
        if held.stored.name is None:
            return
        key = (held.stored.bucket, held.stored.name)
        versions = self.names[key]
        if held.is_current:
            self.mark(key, request_id, at, on_top=True)
        elif held.stored.version == versions.last:
            trace = blank(request_id, *key, at, is_marker=False)
            trace.place(version=versions.last, rank=held.rank, is_current=False)
            self.objects[request_id] = self.made[request_id] = trace
            versions.learn(trace)
        versions.drop(held)

    def close(self, bucket: HeldBucket) -> None:
        """Delete a bucket in which there is nothing to be found."""
        bucket.state = BUCKET_DELETED
        bucket.is_changed = bucket.was_emptied = True
        for (name, _), versions in self.names.items():
            if name == bucket.bucket.name:
                versions.clear()

    def relocate(self, held: Held, bucket: str, name: str, at: datetime) -> None:
        """Say where an object that was taken away goes to by a request of that time; its
        description is another then.
        """
        held.placed_at = at
        held.stored = msgspec.structs.replace(held.stored, bucket=bucket, name=name)
        held.revision += 1
