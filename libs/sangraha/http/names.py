"""Names of buckets and objects in addresses, decoded once and strictly from the raw path.

The framework's own decoding is lossy (RFC 3986, section 2.4): it makes `%2F` a separator and bytes
that are no UTF-8 something else. So the raw name is put aside before anything is routed.
"""

import re
import unicodedata
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from sangraha.errors import InvalidName, NotFound

MAX_NAME_BYTES: Final = 1024
BUCKET_PATTERN: Final = r"^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
RESERVED_BUCKET: Final = "sangraha"

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_EMPTY: Final = "%"


def bucket_name(text: str) -> str:
    """The same name. Raises InvalidName for one that no bucket may have."""
    if not _BUCKET.fullmatch(text) or ".." in text or text == RESERVED_BUCKET:
        raise InvalidName(
            "a bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens, starts and "
            f"ends with a letter or digit, has no two dots in a row and is not {RESERVED_BUCKET}"
        )
    return text


def object_name(raw: bytes) -> str:
    """The name in the rest of a raw path, percent-decoded once. Raises InvalidName."""
    if _BROKEN_ESCAPE.search(raw):
        raise InvalidName("the name is not percent-encoded: a % stands alone (write it as %25)")
    try:
        return checked_object_name(unquote_to_bytes(raw).decode("utf-8"))
    except UnicodeDecodeError:
        raise InvalidName("the name is not UTF-8") from None


def checked_object_name(text: str) -> str:
    """The same name. Raises InvalidName for one that no object may have.

    `/` may stand anywhere in it, but no segment between two may be `.` or `..`: clients resolve
    those before they send an address (RFC 3986, section 5.2.4).
    """
    if not text:
        raise InvalidName("the name is empty")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise InvalidName("the name has control characters or broken Unicode")
    if not {".", ".."}.isdisjoint(text.split("/")):
        raise InvalidName("no segment of a name may be . or ..")
    if (size := len(text.encode())) > MAX_NAME_BYTES:
        raise InvalidName(f"the name has {size} bytes; at most {MAX_NAME_BYTES} are allowed")
    return text


def name_path(bucket: str, name: str) -> str:
    """The address of a name: slashes stay, all else beyond RFC 3986's unreserved is encoded."""
    return f"/buckets/{bucket}/objects/{quote(name)}"


def bucket_of(request: Request) -> str:
    """The bucket that the request's path names. Raises InvalidName."""
    raw = _raw(request, "raw_bucket")
    try:
        return bucket_name(unquote_to_bytes(raw).decode("ascii"))
    except UnicodeDecodeError:
        return bucket_name("")


def name_of(request: Request) -> str:
    """The object's name in the request's path. Raises InvalidName."""
    return object_name(_raw(request, "raw_name"))


def _raw(request: Request, part: str) -> bytes:
    raw = request.scope.get("state", {}).get(part)
    if not isinstance(raw, bytes):
        # Its path only looked like a named one once it was decoded.
        raise NotFound(f"nothing is served at {request.url.path}")
    return raw


class NamedPathMiddleware:
    """Puts what follows `/buckets/` aside and gives the router a path it understands.

    `state["raw_bucket"]` and, for an object or its versions, `state["raw_name"]` are the bytes as
    they came; `bucket_of` and `name_of` read them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            put_names_aside(scope)
        await self._app(scope, receive, send)


def put_names_aside(scope: Scope) -> None:
    """Change a scope whose raw path names a bucket; leave any other as it is."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode("ascii")
    segments = raw.split(b"/", 4)
    if len(segments) < 3 or segments[0] or unquote_to_bytes(segments[1]) != b"buckets":
        return
    state = scope.setdefault("state", {})
    state["raw_bucket"] = segments[2]
    path = f"/buckets/{_placeholder(segments[2])}"
    if len(segments) > 3:
        kind = unquote_to_bytes(segments[3])
        is_known = kind in (b"objects", b"versions")
        path += f"/{(kind if is_known else segments[3]).decode('latin-1')}"
        if len(segments) > 4 and is_known:
            state["raw_name"] = segments[4]
        if len(segments) > 4:
            path += f"/{_placeholder(segments[4])}"
    scope["path"] = path


def _placeholder(raw: bytes) -> str:
    """One path segment that says what `raw` was and has no character that ends one."""
    return raw.decode("latin-1").replace("/", "%2F") or _EMPTY
