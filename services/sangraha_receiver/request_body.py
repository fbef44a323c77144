"""What a request says of its body before it is read, and what may turn out after it was."""

from collections.abc import AsyncIterator

from fastapi import Request

from sangraha.errors import EncodingNotAllowed
from sangraha.http.content_encoding import content_encoding
from sangraha.http.digests import Digester, Expected


def announced_bytes(request: Request) -> int | None:
    """The length of the body, None where it comes without one (in chunks)."""
    announced = request.headers.get("content-length", "")
    return int(announced) if announced.isascii() and announced.isdigit() else None


def refuse_encoding(request: Request) -> None:
    """Raises EncodingNotAllowed where the body is encoded, but has to be understood here."""
    if (encoding := content_encoding(request.headers)) is not None:
        raise EncodingNotAllowed(f"send the body without Content-Encoding, not as {encoding}")


async def digested(chunks: AsyncIterator[bytes], expected: Expected) -> AsyncIterator[bytes]:
    """The same chunks. Raises DigestMismatch at their end unless all of them are as expected."""
    if not expected.claims:
        async for chunk in chunks:
            yield chunk
        return
    digester = Digester(expected)
    async for chunk in chunks:
        digester.update(chunk)
        yield chunk
    digester.check()
