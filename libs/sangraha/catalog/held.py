"""Rows in memory: what a group of requests is about, while it is applied."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from sangraha.buckets import Bucket
from sangraha.objects import Location, StoredObject

BUCKET_LIVE: Final = "live"
BUCKET_PURGING: Final = "purging"
BUCKET_DELETED: Final = "deleted"


@dataclass(slots=True, frozen=True)
class Stand:
    """Where a row stands among the versions of its name, and whether it does."""

    bucket: str
    name: str | None
    version: int
    rank: int
    live: bool
    is_marker: bool
    is_current: bool
    revision: int


@dataclass(slots=True, kw_only=True)
class Held:
    """One row of `objects`. `location` is None for what has no body: a marker, for one.
    `body_size` is that of the whole body it is in.

    `placed_at` is the time of the request that moved it to its name, if one did, `risen_at` that at
    which it was last put on top of its name, by the database's clock. `before` is how
    the row was read; None for a new one.
    """

    stored: StoredObject
    location: Location | None
    body_size: int = 0
    live: bool = True
    is_marker: bool = False
    is_current: bool = True
    rank: int = 1
    revision: int = 1
    replaced: bool = False
    placed_at: datetime | None = None
    risen_at: datetime | None = None
    before: Stand | None = None

    @property
    def object_id(self) -> UUID:
        """The id of the row."""
        return self.stored.object_id

    @property
    def since(self) -> datetime:
        """When the request was made that put it at its name."""
        return self.placed_at or self.stored.created_at

    @property
    def stands(self) -> bool:
        """Whether it counts among the versions of its name."""
        return self.live or self.is_marker

    @property
    def stand(self) -> Stand:
        """How it is now."""
        return Stand(
            self.stored.bucket,
            self.stored.name,
            self.stored.version,
            self.rank,
            self.live,
            self.is_marker,
            self.is_current,
            self.revision,
        )

    def place(self, *, version: int, rank: int, is_current: bool) -> None:
        """Give it its place among the versions of its name."""
        self.stored = msgspec.structs.replace(self.stored, version=version)
        self.rank = rank
        self.is_current = is_current


@dataclass(slots=True, frozen=True)
class HeldBody:
    """One row of `bodies`, locked. `was_released` says that nothing was in it for some time."""

    body_id: int
    is_condemned: bool
    was_released: bool


@dataclass(slots=True)
class HeldBucket:
    """One row of `buckets`. `live` counts its live objects where somebody wants to know.

    `was_emptied` says that whatever markers it has are to go.
    """

    bucket: Bucket
    state: str
    live: int = 0
    is_changed: bool = False
    was_emptied: bool = False


@dataclass(slots=True, frozen=True)
class Purge:
    """A bucket that is to be emptied in the background: `total` live objects."""

    request_id: UUID
    bucket: str
    total: int


def blank(
    request_id: UUID, bucket: str, name: str | None, made_at: datetime, *, is_marker: bool
) -> Held:
    """A row without an object, as a marker is."""
    stored = StoredObject(
        object_id=request_id,
        request_id=request_id,
        bucket=bucket,
        name=name,
        file_name=None,
        version=1,
        type="other",
        content_type="",
        declared_content_type=None,
        size=0,
        sha256="",
        metadata={},
        created_at=made_at,
    )
    return Held(stored=stored, location=None, live=False, is_marker=is_marker, is_current=False)
