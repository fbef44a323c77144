"""How an object's bytes are answered: validators, preconditions, ranges, and who may run them."""

import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from sangraha.errors import InternalFault
from sangraha.http.conditional import evaluate, if_range_holds
from sangraha.http.dates import http_date
from sangraha.http.digests import repr_digest
from sangraha.http.disposition import content_disposition
from sangraha.http.ranges import ByteRange, byteranges_parts, content_range, parse_range
from sangraha.messages import Found
from sangraha.objects import Location, StoredObject
from sangraha.store.protocol import Store
from sangraha_getter.streaming import StreamedAnswer

_BOUNDARY_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Address:
    """What an answer owes to the address it was asked at.

    `is_version` says that the address never gives other bytes. `headers` go with every answer
    that shows the object, 304 included.
    """

    cache_control: str
    is_version: bool
    headers: Mapping[str, str] = field(default_factory=dict)
    download: str | None = None


def content_answer(request: Request, store: Store, found: Found, address: Address) -> Response:
    """The answer to GET or HEAD. Raises PreconditionFailed and RangeNotSatisfiable."""
    stored = found.object
    # What a 304 repeats (RFC 9110, section 15.4.5).
    headers = {
        "ETag": stored.etag,
        "Last-Modified": http_date(found.modified_at),
        "Cache-Control": address.cache_control,
        **address.headers,
    }
    if evaluate(request.headers, request.method, stored.etag, found.modified_at) == "not-modified":
        return Response(status_code=304, headers=headers)
    headers |= _representation(stored, address.download)
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(stored.size)})
    # Two versions of a name may be made within one second: its date is no strong validator.
    moment = found.modified_at if address.is_version else None
    selected = _selected(request.headers, stored, moment)
    headers |= selected.headers
    if found.body is not None:
        return Response(b"".join(selected.of(found.body)), selected.status, headers)
    if found.location is not None:
        chunks = partial(_chunks, store, found.location, selected.pieces)
        pour = None
        if (alone := selected.alone) is not None:
            start = found.location.offset + alone.first
            pour = partial(store.get_pieces, found.location.key, start, alone.length)
        return StreamedAnswer(selected.status, headers, chunks, selected.length, pour)
    raise InternalFault("an object was found without its body")


Piece = tuple[bytes, ByteRange | None]
"""Bytes that stand before those of a range, or alone."""


@dataclass(frozen=True, slots=True)
class _Selected:
    """What of an object is sent, and the headers that say so."""

    status: int
    headers: Mapping[str, str]
    pieces: Sequence[Piece]
    length: int

    @property
    def alone(self) -> ByteRange | None:
        """The range, where nothing else is sent."""
        return self.pieces[0][1] if len(self.pieces) == 1 else None

    def of(self, body: bytes) -> list[bytes]:
        """It, of a body that is there."""
        sent = []
        for head, wanted in self.pieces:
            sent += [head, body[wanted.first : wanted.last + 1] if wanted else b""]
        return sent


def _selected(headers: Headers, stored: StoredObject, moment: datetime | None) -> _Selected:
    size = stored.size
    asked = headers.get("range") if if_range_holds(headers, stored.etag, moment) else None
    ranges = parse_range(asked, size)
    if len(ranges) > 1 and stored.content_encoding is None:
        boundary = secrets.token_hex(_BOUNDARY_BYTES)
        several = byteranges_parts(ranges, size, stored.content_type, boundary)
        pieces: list[Piece] = [(part.head, part.range) for part in several.parts]
        length = several.content_length
        return _Selected(
            206, {"Content-Type": several.content_type}, [*pieces, (several.end, None)], length
        )
    if len(ranges) == 1:
        (one,) = ranges
        return _Selected(206, {"Content-Range": content_range(one, size)}, [(b"", one)], one.length)
    # Parts of an encoded body cannot be sent together: the encoding would be that of the frame.
    return _Selected(200, {}, [(b"", ByteRange(0, size - 1))], size)


async def _chunks(
    store: Store, location: Location, pieces: Sequence[Piece]
) -> AsyncGenerator[bytes, None]:
    """The pieces from the store; no head is told before the store has shown what follows it."""
    for head, wanted in pieces:
        if wanted is None:
            yield head
            continue
        start = location.offset + wanted.first
        async with aclosing(store.stream(location.key, start, wanted.length)) as chunks:
            untold = head
            async for chunk in chunks:
                if untold:
                    yield untold
                    untold = b""
                yield chunk


def _representation(stored: StoredObject, download: str | None) -> dict[str, str]:
    headers = {
        "Content-Type": stored.content_type,
        "Content-Disposition": content_disposition(stored.file_name, download),
        "Accept-Ranges": "bytes",
        "Repr-Digest": repr_digest(stored.sha256),
        "X-Content-Type-Options": "nosniff",
        # What was uploaded must not run with this address's rights in a browser.
        "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    }
    if stored.content_encoding:
        headers["Content-Encoding"] = stored.content_encoding
    return headers
