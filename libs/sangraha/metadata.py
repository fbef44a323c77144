"""The user's own metadata: how much of it is kept, and what it may hold."""

from collections.abc import Mapping
from typing import Final, TypeVar

from sangraha.errors import InvalidParameter

MAX_METADATA_BYTES: Final = 8 * 1024

_Metadata = TypeVar("_Metadata", bound=Mapping[str, str])


def checked_metadata(metadata: _Metadata) -> _Metadata:
    """The same metadata. Raises InvalidParameter where it is more than MAX_METADATA_BYTES, a key is
    empty, or it has characters that no database keeps.
    """
    try:
        size = sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items())
    except UnicodeEncodeError:
        raise InvalidParameter("metadata has broken Unicode") from None
    if size > MAX_METADATA_BYTES:
        raise InvalidParameter(f"metadata has {size} bytes; at most {MAX_METADATA_BYTES} are kept")
    for key, value in metadata.items():
        if not key or "\0" in key or "\0" in value:
            raise InvalidParameter("metadata keys must not be empty, and NUL is not allowed")
    return metadata
