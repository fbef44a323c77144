"""What libmagic makes of bytes that nothing else knows. Slow: the last to be asked."""

import os
from functools import cache
from typing import Any, Final

UNKNOWN: Final = "application/octet-stream"
# It takes any XML that mentions an svg element for an image; ours have been recognised before.
_DOUBTFUL: Final = {"image/svg+xml": "text/xml"}
_LOOKED_AT_BYTES: Final = 8 * 1024


def content_type(body: bytes) -> str:
    """The content type; application/octet-stream where it knows none.

    Only the start is looked at: some of its rules take quadratic time.
    """
    magic, reader = load()
    try:
        found = str(reader.from_buffer(body[:_LOOKED_AT_BYTES]))
    except magic.MagicException:
        return UNKNOWN
    return _DOUBTFUL.get(found, found) if "/" in found else UNKNOWN


@cache
def load() -> tuple[Any, Any]:
    """The library of the wheel with its own rules, whatever the machine has installed.

    Takes a while the first time and starts processes: not on an event loop.

    pylibmagic must come first. It also puts its folder, and by a trailing colon the current one,
    into the library path of every later child process: that is taken back.
    """
    before = dict(os.environ)
    import pylibmagic

    rules = str(pylibmagic.data.joinpath("magic.mgc"))
    import magic

    for name in ("MAGIC", *pylibmagic.keys):
        os.environ.pop(name, None)
        if name in before:
            os.environ[name] = before[name]
    return magic, magic.Magic(mime=True, magic_file=rules)
