"""What clients may say about a bucket, and which of it makes sense."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sangraha.buckets import BucketSettings
from sangraha.content_types import checked_patterns
from sangraha.metadata import checked_metadata

MAX_PATTERNS: Final = 100
_MAX_INTEGER: Final = 2**53 - 1
_MAX_VERSIONS: Final = 2**31 - 1
_MAX_CACHE_SECONDS: Final = 365 * 24 * 3600

Patterns = Annotated[list[Annotated[str, Meta(max_length=255)]], Meta(max_length=MAX_PATTERNS)]
Size = Annotated[int, Meta(ge=1, le=_MAX_INTEGER)]
Versions = Annotated[int, Meta(ge=1, le=_MAX_VERSIONS)]
CacheSeconds = Annotated[int, Meta(ge=0, le=_MAX_CACHE_SECONDS)]


class NewBucket(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bucket to be made. What is left out is as BucketSettings has it."""

    name: str
    allowed_types: Patterns = []
    max_object_bytes: Size | None = None
    versions_to_keep: Versions | None = None
    default_metadata: dict[str, str] = {}
    name_cache_seconds: CacheSeconds = 0
    id_cache_seconds: CacheSeconds = 3600

    def settings(self) -> BucketSettings:
        """Its settings. Raises InvalidParameter for types or metadata that cannot be."""
        settings = msgspec.structs.asdict(self)
        del settings["name"]
        checked_patterns(self.allowed_types)
        checked_metadata(self.default_metadata)
        return BucketSettings(**settings)


class BucketPatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON merge patch (RFC 7396) of a bucket's settings: null makes one what it is at first."""

    allowed_types: Patterns | UnsetType | None = UNSET
    max_object_bytes: Size | UnsetType | None = UNSET
    versions_to_keep: Versions | UnsetType | None = UNSET
    default_metadata: dict[str, str | None] | UnsetType | None = UNSET
    name_cache_seconds: CacheSeconds | UnsetType | None = UNSET
    id_cache_seconds: CacheSeconds | UnsetType | None = UNSET

    def changes(self) -> dict[str, Any]:
        """The patch as it came. Raises InvalidParameter for types or metadata that cannot be."""
        if self.allowed_types:
            checked_patterns(self.allowed_types)
        if self.default_metadata:
            checked_metadata({key: value or "" for key, value in self.default_metadata.items()})
        given = msgspec.structs.asdict(self)
        return {field: value for field, value in given.items() if value is not UNSET}
