"""A store over one of obstore's back ends. Used as it is for memory; s3.py streams by itself."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore

from sangraha.errors import BodyMissing, StoreUnavailable
from sangraha.store.batches import BATCH
from sangraha.store.failures import reason, tells_no_bucket
from sangraha.store.keys import require_key
from sangraha.store.pieces import Sized, as_chunks, client_threads, pour
from sangraha.store.protocol import Pieces, Sink, StoredBody, Unfinished
from sangraha.store.source import CHUNK_BYTES, require_range

if TYPE_CHECKING:
    from obstore import ListStream, ObjectMeta

_NOWHERE: Final = "sangraha-check"


class ObstoreStore:
    """The contract of protocol.py, but that a stream is held whole, as memory holds its bodies
    anyway. `timeout_seconds` bounds each call as a whole.
    """

    def __init__(self, backend: ObjectStore, *, timeout_seconds: float) -> None:
        self._backend = backend
        self._timeout_seconds = timeout_seconds
        self._clients = client_threads()

    async def start(self) -> None:
        """Nothing to make here."""

    async def put(self, key: str, body: bytes) -> None:
        """In a single request, which servers refuse where there is a body (RFC 9110, 13.1.2)."""
        require_key(key)
        async with self._attempt():
            with suppress(AlreadyExistsError):
                await obstore.put_async(
                    self._backend, key, body, mode="create", use_multipart=False
                )

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        require_key(key)
        body = b"".join([chunk async for chunk in chunks])
        putting = asyncio.ensure_future(self.put(key, body))
        try:
            await asyncio.shield(putting)
        except asyncio.CancelledError:
            # It cannot be called back.
            await asyncio.wait([putting])
            await self.delete(key)
            raise

    async def put_pieces(self, key: str, size: int, pieces: Pieces) -> None:
        async with aclosing(as_chunks(Sized(size, pieces), self._clients)) as chunks:
            await self.put_stream(key, chunks)

    async def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        require_key(key)
        require_range(offset, length)
        async with self._attempt():
            try:
                if offset == 0 and length is None:
                    whole = await obstore.get_async(self._backend, key)
                    return (await whole.bytes_async()).to_bytes()
                return await self._get_range(key, offset, length)
            except FileNotFoundError as error:
                if tells_no_bucket(error):
                    raise
                raise BodyMissing(f"the store has no body {key}") from error

    def stream(self, key: str, offset: int, length: int) -> AsyncGenerator[bytes, None]:
        require_key(key)
        require_range(offset, length)
        return self._stream(key, offset, length)

    async def get_pieces(self, key: str, offset: int, length: int, sink: Sink) -> None:
        await pour(self.stream(key, offset, length), sink, self._clients)

    async def delete(self, key: str) -> None:
        require_key(key)
        async with self._attempt():
            try:
                await obstore.delete_async(self._backend, key)
            except FileNotFoundError as error:
                if tells_no_bucket(error):
                    raise

    async def list(self) -> AsyncGenerator[Sequence[StoredBody], None]:
        listing = obstore.list(self._backend, chunk_size=BATCH)
        while batch := await self._next(listing):
            yield batch

    async def unfinished(self) -> AsyncGenerator[Sequence[Unfinished], None]:
        """What a killed process leaves in its memory nobody finds."""
        nothing: Sequence[Sequence[Unfinished]] = ()
        for batch in nothing:
            yield batch

    async def abandon(self, unfinished: Unfinished) -> None:
        """There are none."""

    async def check(self) -> None:
        async with self._attempt():
            await obstore.list_with_delimiter_async(self._backend, _NOWHERE)

    async def close(self) -> None:
        """obstore lets go of its connections with the back end itself."""
        self._clients.shutdown(wait=False)

    async def _stream(self, key: str, offset: int, length: int) -> AsyncGenerator[bytes, None]:
        body = await self.get(key, offset, length)
        for start in range(0, length, CHUNK_BYTES):
            yield body[start : start + CHUNK_BYTES]

    async def _next(self, listing: "ListStream[Sequence[ObjectMeta]]") -> Sequence[StoredBody]:
        async with self._attempt():
            try:
                batch = await anext(listing)
            except StopAsyncIteration:
                return []
        return [StoredBody(each["path"], each["size"], each["last_modified"]) for each in batch]

    async def _get_range(self, key: str, offset: int, length: int | None) -> bytes:
        """An empty range or one without an end cannot be asked for: the size comes first."""
        if not length:
            size = await self._size(key)
            length = size - offset if length is None else 0
            if offset + length > size or length < 0:
                raise _too_short(key)
            if length == 0:
                return b""
        try:
            found = await obstore.get_range_async(self._backend, key, start=offset, length=length)
        except BaseError:
            # A range wholly beyond the end is an error like any other: only the size tells.
            if offset < await self._size(key):
                raise
            raise _too_short(key) from None
        if len(found) < length:
            raise _too_short(key)
        return found.to_bytes()

    async def _size(self, key: str) -> int:
        return (await obstore.head_async(self._backend, key))["size"]

    @asynccontextmanager
    async def _attempt(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                yield
        except TimeoutError:
            raise StoreUnavailable("The store failed: it did not answer in time") from None
        except (BaseError, OSError) as error:
            raise StoreUnavailable(f"The store failed: {reason(error)}") from error


def _too_short(key: str) -> BodyMissing:
    return BodyMissing(f"the body {key} is shorter than asked for")
