"""What an object is to everybody: one model in answers, lists, replies and the catalog."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

ObjectType = Literal["json", "image", "pdf", "other"]
DEFAULT_BUCKET = "default"


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """An object that was committed. `size` is in bytes, `sha256` is lower-case hexadecimal."""

    object_id: UUID
    request_id: UUID
    bucket: str
    name: str | None
    file_name: str | None
    version: int
    type: ObjectType
    content_type: str
    declared_content_type: str | None
    size: int
    sha256: str
    metadata: dict[str, str]
    created_at: datetime

    @property
    def etag(self) -> str:
        """The strong entity tag (RFC 9110, section 8.8.3): the digest, quoted."""
        return f'"{self.sha256}"'


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
