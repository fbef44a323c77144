"""Bodies on their way in: small ones into the message, larger ones through to the store.

A large body is never here as a whole: its chunks are handed on as they come, and looked at in a
thread on the way.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import Final

from sangraha.errors import StoreUnavailable
from sangraha.http.bodies import too_large
from sangraha.http.digests import Digester, Expected
from sangraha.messages import Claimed, CreateObject, Inline, WriteRequest
from sangraha.store.protocol import MAX_PUT_BYTES, PART_BYTES, Pieces, Store
from sangraha_receiver.inspection import Inspection
from sangraha_receiver.turn import Turn, Turns

logger = logging.getLogger(__name__)

NO_DIGESTS: Final = Expected()

Hijack = Callable[[], AbstractAsyncContextManager[Pieces | None]]
"""Gives the rest of a body as pieces, or None where it comes in chunks only."""


def _no_hijack() -> AbstractAsyncContextManager[None]:
    return nullcontext()


class Uploads:
    """Takes bodies in. Sizes are bytes."""

    def __init__(
        self, store: Store, turns: Turns, *, inline_body_bytes: int, max_body_bytes: int
    ) -> None:
        self.inline_body_bytes = inline_body_bytes
        self.max_body_bytes = max_body_bytes
        self._store = store
        self._turns = turns

    async def take(
        self,
        chunks: AsyncIterator[bytes],
        key: str,
        *,
        announced: int | None = None,
        expected: Expected = NO_DIGESTS,
        hijack: Hijack = _no_hijack,
    ) -> Inline | Claimed:
        """The body in `chunks`, of `announced` bytes if that is known; stored at `key` where it is
        larger than may travel inside a message. What `hijack` gives comes in place of the chunks
        that were not taken yet; it is for bodies that are announced.

        Raises BodyTooLarge, DigestMismatch, StoreUnavailable, BrokerUnavailable, TooManyUploads,
        and whatever `chunks` raises. Nothing of the body is kept then; what is announced too
        large, or could not be stored now, is not even read.
        """
        if announced is not None and announced > self.max_body_bytes:
            raise too_large(self.max_body_bytes)
        is_large = announced is not None and announced > self.inline_body_bytes
        if is_large:
            await self.require_ways()
        bounded = self._bounded(chunks)
        # Only what has begun to come takes a turn: announcing costs a client nothing.
        start, is_whole = await _gathered(bounded, 0 if is_large else self.inline_body_bytes)
        if is_whole:
            return _inline(b"".join(start), expected)
        async with self.turn() as turn:
            await turn.take()
            if announced is not None and announced <= MAX_PUT_BYTES:
                async with hijack() as rest:
                    if rest is not None:
                        return await self._claim_pieces(start, rest, key, expected, announced)
            return await self._claim(_continued(start, bounded), key, expected)

    async def put(self, body: bytes, key: str, turn: Turn) -> Inline | Claimed:
        """A body that is here as a whole, likewise; `turn` is taken where it is large."""
        if len(body) > self.max_body_bytes:
            raise too_large(self.max_body_bytes)
        if len(body) <= self.inline_body_bytes:
            return Inline(body)
        await turn.take()
        return await self._claim(_continued([body]), key, NO_DIGESTS)

    def turn(self) -> Turn:
        """A turn for one large body, not taken yet."""
        return Turn(self._turns)

    async def require_ways(self) -> None:
        """See Turns.require_ways."""
        await self._turns.require_ways()

    async def discard(self, content: Inline | Claimed) -> None:
        """Remove a body that nobody will commit. Best effort: what is missed, the sweep takes."""
        if isinstance(content, Claimed):
            try:
                await self._store.delete(content.key)
            except StoreUnavailable as error:
                logger.warning("left %s to the sweep: %s", content.key, error)

    async def discard_all(self, requests: Sequence[WriteRequest]) -> None:
        """Likewise the bodies of requests that were not sent."""
        for request in requests:
            if isinstance(request, CreateObject):
                await self.discard(request.content)

    async def _claim_pieces(
        self, start: Sequence[bytes], rest: Pieces, key: str, expected: Expected, size: int
    ) -> Claimed:
        inspection = Inspection(expected)
        await self._store.put_pieces(key, size, inspection.along(start, rest, size))
        return Claimed(key=key, sha256=inspection.sha256, seen=inspection.seen)

    async def _claim(self, chunks: AsyncIterator[bytes], key: str, expected: Expected) -> Claimed:
        inspection = Inspection(expected)
        start, is_whole = await _gathered(chunks, PART_BYTES)
        if is_whole:
            body = b"".join(start)
            async with inspection.of(body):
                await self._store.put(key, body)
        else:
            async with aclosing(inspection.through(_continued(start, chunks))) as inspected:
                await self._store.put_stream(key, inspected)
        return Claimed(key=key, sha256=inspection.sha256, seen=inspection.seen)

    async def _bounded(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            if size > self.max_body_bytes:
                raise too_large(self.max_body_bytes)
            yield chunk


def _inline(body: bytes, expected: Expected) -> Inline:
    if expected.claims:
        digester = Digester(expected)
        digester.update(body)
        digester.check()
    return Inline(body)


async def _gathered(chunks: AsyncIterator[bytes], up_to_bytes: int) -> tuple[list[bytes], bool]:
    """All of the chunks and True; or the first of them, with more bytes than that, and False."""
    gathered: list[bytes] = []
    size = 0
    async for chunk in chunks:
        gathered.append(chunk)
        size += len(chunk)
        if size > up_to_bytes:
            return gathered, False
    return gathered, True


async def _continued(
    gathered: list[bytes], rest: AsyncIterator[bytes] | None = None
) -> AsyncGenerator[bytes, None]:
    """What was gathered, let go of as it is handed out, and then the rest."""
    gathered.reverse()
    while gathered:
        yield gathered.pop()
    if rest is not None:
        async for chunk in rest:
            yield chunk
