"""Entity tags in If-None-Match (RFC 9110, section 13.1.2)."""

import re
from collections.abc import Sequence

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def known_digests(values: Sequence[str]) -> list[str]:
    """What the client says it has: the tags of all If-None-Match headers without quotes, or "*".

    The comparison is weak (section 8.8.3.2), so `W/` is dropped; what is not a tag is ignored.
    """
    joined = ",".join(values).strip()
    return ["*"] if joined == "*" else _TAG.findall(joined)


def is_known(digest: str, known: Sequence[str]) -> bool:
    """Whether a GET is to be answered 304."""
    return "*" in known or digest in known
