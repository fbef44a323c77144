"""Keys: how a body's place is named, and which names every store takes."""

import re
import unicodedata
from typing import Final
from uuid import UUID

RESERVED: Final = "sangraha"
"""No bucket has this name: what lies under it is the system's own."""
PROBE_KEY: Final = f"{RESERVED}/probe"
"""Written now and then to see whether writing works; never read."""
EPOCH_KEY: Final = f"{RESERVED}/epoch"
"""Which catalog this store belongs to."""
UPLOADS: Final = f"{RESERVED}/uploads/"
"""What follows is the key of a body whose upload has begun and not ended; see s3_upload.py."""

_MAX_KEY: Final = 1024
_MAX_SLUG: Final = 64
_MAX_EXTENSION: Final = 16
# What S3, file systems and URLs all take as it is; no segment is empty or starts with a dot.
_KEY: Final = re.compile(
    r"(?!\.)[A-Za-z0-9._=+,@()'! -]{1,255}(?:/(?!\.)[A-Za-z0-9._=+,@()'! -]{1,255})*"
)
_OBJECT_KEY: Final = re.compile(r"([^/]+/objects/[0-9a-f-]{36})(?:\.([0-9]+))?((?:-.*)?)")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


def object_key(bucket: str, object_id: UUID, file_name: str | None) -> str:
    """Where the body of a large object lies: `{bucket}/objects/{id}-{ASCII slug}`.

    The slug is there for people who look into the store; nothing is ever read from it.
    """
    slug = _slug(file_name or "")
    return f"{bucket}/objects/{object_id}{'-' if slug else ''}{slug}"


def next_key(key: str) -> str:
    """Where a body goes that should lie at this key of `object_key`, if nothing may any more:
    `{bucket}/objects/{id}.2-{slug}`, then `.3` and so on.
    """
    found = _OBJECT_KEY.fullmatch(key)
    if found is None:
        raise ValueError(f"not a key of an object: {key[:100]!r}")
    stem, number, slug = found.groups()
    return f"{stem}.{int(number or 1) + 1}{slug}"


def require_key(key: str) -> str:
    """The key itself. Raises ValueError for one that some store would take for another."""
    if not is_key(key):
        raise ValueError(f"not a key of a body: {key[:100]!r}")
    return key


def is_key(text: str) -> bool:
    """Whether a body may have this key; a store may hold other things that it may not."""
    return len(text) <= _MAX_KEY and _KEY.fullmatch(text) is not None


def _slug(file_name: str) -> str:
    """At most 64 safe ASCII characters of the name, its extension kept; may be empty."""
    ascii_name = unicodedata.normalize("NFKD", file_name[:1024]).encode("ascii", "ignore").decode()
    safe = _UNSAFE.sub("-", ascii_name)
    stem, dot, extension = safe.rpartition(".")
    if not stem or not extension or len(extension) > _MAX_EXTENSION:
        stem, dot, extension = safe, "", ""
    stem = stem.strip("-._")[: _MAX_SLUG - len(dot + extension)].rstrip("-._")
    return (stem + dot + extension.strip("-_") if stem else extension.strip("-_")).rstrip(".")
