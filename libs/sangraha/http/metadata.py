"""The user's own metadata in the headers of an upload: `Sangraha-Meta-KEY`."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_to_bytes

from sangraha.errors import InvalidParameter

HEADER_PREFIX: Final = "sangraha-meta-"


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
