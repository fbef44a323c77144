"""Reading request bodies as they arrive, never more of one than was agreed."""

from collections.abc import AsyncIterator
from typing import Final

from fastapi import Request

from sangraha.errors import BodyTooLarge

ENVELOPE_BYTES: Final = 64 * 1024
"""What a form or a JSON envelope may take round the object itself."""


async def bounded_chunks(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    """The body's chunks. Raises BodyTooLarge at once where the length is announced, else as soon
    as it is passed.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isascii() and announced.isdigit() and int(announced) > max_bytes:
        raise too_large(max_bytes)
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > max_bytes:
            raise too_large(max_bytes)
        yield chunk


def too_large(max_bytes: int) -> BodyTooLarge:
    """The refusal that names the limit."""
    return BodyTooLarge(f"the body has more than {max_bytes} bytes", max_bytes=max_bytes)
