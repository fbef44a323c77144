"""The user's own metadata on an upload: `Sangraha-Meta-KEY` headers and form fields."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_to_bytes

from sangraha.errors import InvalidParameter

HEADER_PREFIX: Final = "sangraha-meta-"
MAX_METADATA_BYTES: Final = 8 * 1024


def header_metadata(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Metadata in headers: keys in lower case, values percent-encoded UTF-8.

    Raises InvalidParameter for what is not UTF-8.
    """
    metadata: dict[str, str] = {}
    for name, value in headers:
        if not name.startswith(HEADER_PREFIX):
            continue
        try:
            value.encode("ascii")
            metadata[name.removeprefix(HEADER_PREFIX)] = unquote_to_bytes(value).decode("utf-8")
        except UnicodeError:
            raise InvalidParameter(f"the header {name} is not percent-encoded UTF-8") from None
    return metadata


def checked_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """The same metadata. Raises InvalidParameter where it is too much, a key is empty, or it has
    characters that no database keeps.
    """
    size = sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items())
    if size > MAX_METADATA_BYTES:
        raise InvalidParameter(f"metadata has {size} bytes; at most {MAX_METADATA_BYTES} are kept")
    for key, value in metadata.items():
        if not key or "\0" in key or "\0" in value:
            raise InvalidParameter("metadata keys must not be empty, and NUL is not allowed")
    return metadata
