"""What an object is to everybody: one model in answers, lists, replies and the catalog."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

ObjectType = Literal["json", "image", "pdf", "other"]


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """An object that was committed. `size` is in bytes, `sha256` is lower-case hexadecimal.

    `name` is None for one that was posted without a name; `version` counts the versions of a name
    in the order in which they were committed. `content_encoding` is what the client said of its
    bytes (RFC 9110, section 8.4), which are kept as they came.
    """

    object_id: UUID
    request_id: UUID
    bucket: str
    name: str | None
    file_name: str | None
    version: int
    type: ObjectType
    content_type: str
    declared_content_type: str | None
    content_encoding: str | None = None
    size: int
    sha256: str
    metadata: dict[str, str]
    created_at: datetime

    @property
    def etag(self) -> str:
        """The strong entity tag (RFC 9110, section 8.8.3): the digest, quoted."""
        return f'"{self.sha256}"'


class ObjectInfo(StoredObject, frozen=True, kw_only=True):
    """An object and the revision of its description, which changes when its metadata does."""

    revision: int

    @property
    def info_etag(self) -> str:
        """The entity tag of the description, not of the bytes."""
        return revision_etag(self.revision)


class Location(msgspec.Struct, frozen=True):
    """Where an object's bytes are: `length` bytes from `offset` in the body stored at `key`."""

    key: str
    offset: int
    length: int


class ObjectPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a listing, newest first; `current_page` counts from 1."""

    total: int
    total_pages: int
    current_page: int
    page_size: int
    objects: list[StoredObject]


class NamePage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a bucket's names in the order of their UTF-8 bytes, current versions only.

    `prefixes` are what names between the asked prefix and the next delimiter have in common, each
    once. `next_cursor` is None on the last page.
    """

    objects: list[StoredObject]
    prefixes: list[str]
    next_cursor: str | None


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a name. Where the name was deleted, it has no object, but an id of its own."""

    object_id: UUID
    version: int
    current: bool
    deleted: bool
    created_at: datetime
    object: StoredObject | None


class VersionPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the versions of a name, the one on top first. The last has no `next_cursor`."""

    versions: list[Version]
    next_cursor: str | None


def revision_etag(revision: int) -> str:
    """The entity tag of something that counts its revisions."""
    return f'"r{revision}"'
