"""Buckets: where objects are kept, and the rules for what may be kept there."""

from datetime import datetime
from typing import Final

import msgspec

from sangraha.objects import revision_etag

DEFAULT_BUCKET: Final = "default"
"""The bucket of the addresses that name none. It can be changed, but not deleted."""


class BucketSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a bucket. Sizes are bytes; None is no limit.

    `allowed_types` are `json`, `image`, `pdf` or MIME patterns (`text/*`, `video/mp4`); none means
    everything. `versions_to_keep` counts the versions of a name that are kept, the current one
    included. `default_metadata` is given to objects that come without those keys. The cache
    seconds are how long a client may keep what it read by name or by id without asking again.
    """

    allowed_types: list[str] = []
    max_object_bytes: int | None = None
    versions_to_keep: int | None = None
    default_metadata: dict[str, str] = {}
    name_cache_seconds: int = 0
    id_cache_seconds: int = 3600


class Bucket(BucketSettings, frozen=True, kw_only=True):
    """A bucket as everybody sees it."""

    name: str
    created_at: datetime
    revision: int

    @property
    def etag(self) -> str:
        """The entity tag of its description."""
        return revision_etag(self.revision)


class BucketPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the buckets, by name. `next_cursor` is None on the last page."""

    buckets: list[Bucket]
    next_cursor: str | None
