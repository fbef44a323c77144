"""Entity tags in If-None-Match (RFC 9110, section 13.1.2)."""

import re
from collections.abc import Sequence
from itertools import islice
from typing import Final

MAX_TAGS: Final = 100
_TAG: Final = re.compile(r'(?:W/)?"([0-9a-f]{64})"')


def known_digests(values: Sequence[str]) -> list[str]:
    """What the client says it has: the tags of all If-None-Match headers without quotes, or "*".

    The comparison is weak (section 8.8.3.2), so `W/` is dropped. What cannot be a tag of ours is
    ignored, and so are those past the first MAX_TAGS.
    """
    joined = ",".join(values).strip()
    if joined == "*":
        return ["*"]
    return [tag[1] for tag in islice(_TAG.finditer(joined), MAX_TAGS)]


def is_known(digest: str, known: Sequence[str]) -> bool:
    """Whether a GET is to be answered 304."""
    return "*" in known or digest in known
