"""JSON merge patches (RFC 7396)."""

from collections.abc import Mapping
from typing import Any


def merged(document: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the patch applied (RFC 7396, section 2): None removes a member."""
    found = dict(document)
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, Mapping):
            there = found.get(name)
            found[name] = merged(there if isinstance(there, Mapping) else {}, value)
        else:
            found[name] = value
    return found
