"""A store in a bucket of MinIO or any other S3 service.

obstore moves the bodies that come whole; s3_requests.py says why the minio library does the rest.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, closing, suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from obstore.store import S3Store
from urllib3.response import BaseHTTPResponse

from sangraha.errors import StoreUnavailable
from sangraha.store.batches import in_batches
from sangraha.store.keys import UPLOADS, require_key
from sangraha.store.obstore_store import ObstoreStore
from sangraha.store.pieces import Sized, passed_on
from sangraha.store.protocol import Pieces, Sink, StoredBody, Unfinished
from sangraha.store.s3_place import S3Place
from sangraha.store.s3_requests import S3Requests
from sangraha.store.s3_upload import S3Upload
from sangraha.store.source import chunk_sizes, read_ahead, require_range

if TYPE_CHECKING:
    from obstore.store import S3Credential

_CONNECT_SECONDS: Final = 2.0
_THREADS: Final = 64

T = TypeVar("T")


class S3BucketStore(ObstoreStore):
    """The contract of protocol.py. No request to the service is ever repeated."""

    def __init__(self, place: S3Place, *, timeout_seconds: float) -> None:
        self.place = place
        super().__init__(_backend(place, timeout_seconds), timeout_seconds=timeout_seconds)
        self._requests = S3Requests(place, timeout_seconds=timeout_seconds)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="s3")
        self._discarding: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Make the bucket if it is not there; replicas may do so at the same time."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._run(self._requests.make_bucket)
        except TimeoutError:
            raise StoreUnavailable("The store failed: it did not answer in time") from None

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        require_key(UPLOADS + key)
        upload = S3Upload(key, self._requests, self._threads, put=self.put, delete=self.delete)
        async with self._or_nothing(upload.discard):
            async for chunk in chunks:
                await upload.write(chunk)
            await upload.finish()

    async def put_pieces(self, key: str, size: int, pieces: Pieces) -> None:
        """In one request: the server keeps nothing of a body that breaks off."""
        require_key(key)
        sized = Sized(size, pieces)

        async def discard() -> None:
            if sized.is_whole:
                await self.delete(key)

        async with self._or_nothing(discard):
            try:
                put = partial(self._requests.put_body, key, size, sized, sized.given_up)
                await passed_on(sized, self._clients, put)
            except StoreUnavailable:
                if sized.failure is not None:
                    raise sized.failure from None
                raise

    def stream(self, key: str, offset: int, length: int) -> AsyncGenerator[bytes, None]:
        require_key(key)
        require_range(offset, length)
        if length == 0:
            return self._stream(key, offset, length)
        return read_ahead(S3Source(self._requests, key, offset, length), self._run)

    async def get_pieces(self, key: str, offset: int, length: int, sink: Sink) -> None:
        if length == 0:
            await super().get_pieces(key, offset, length, sink)
            return
        require_key(key)
        require_range(offset, length)
        source = S3Source(self._requests, key, offset, length)
        await passed_on(sink, self._clients, partial(_pour, source, sink))

    async def list(self) -> AsyncGenerator[Sequence[StoredBody], None]:
        async with aclosing(in_batches(self._requests.bodies(), self._run)) as batches:
            async for batch in batches:
                yield [body for body in batch if not body.key.startswith(UPLOADS)]

    async def unfinished(self) -> AsyncGenerator[Sequence[Unfinished], None]:
        async with aclosing(in_batches(self._requests.bodies(UPLOADS), self._run)) as batches:
            async for batch in batches:
                yield [
                    Unfinished(note.key.removeprefix(UPLOADS), note.key, note.modified_at)
                    for note in batch
                ]

    async def abandon(self, unfinished: Unfinished) -> None:
        require_key(unfinished.key)
        await self._run(lambda: self._requests.abort_uploads(unfinished.key))
        await self._run(lambda: self._requests.end_upload(unfinished.key))

    async def close(self) -> None:
        """Uploads that failed are cleared away first; each step of that is bounded."""
        await asyncio.gather(*self._discarding)
        self._threads.shutdown(wait=False)
        self._requests.close()
        await super().close()

    @asynccontextmanager
    async def _or_nothing(self, discard: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """What fails in the context is discarded, and raised."""
        try:
            yield
        except StoreUnavailable:
            # Nobody should have to wait for a store that is away a second time.
            self._discard(discard)
            raise
        except BaseException:
            await asyncio.shield(self._discard(discard))
            raise

    def _discard(self, discard: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        async def discarding() -> None:
            # What stays is `unfinished`.
            with suppress(StoreUnavailable):
                await discard()

        task = asyncio.create_task(discarding())
        self._discarding.add(task)
        task.add_done_callback(self._discarding.discard)
        return task

    async def _run(self, work: Callable[[], T]) -> T:
        """Without a timeout of its own: the connection has one."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


class S3Source:
    """A range of a body, from one response: MinIO removes nothing that is being read."""

    def __init__(self, requests: S3Requests, key: str, offset: int, length: int) -> None:
        self._requests = requests
        self._range = key, offset, length
        self._left = length
        self._answer: BaseHTTPResponse | None = None

    def read(self, size: int) -> bytes:
        """See Source.read. Raises BodyMissing and StoreUnavailable."""
        if self._answer is None:
            self._answer = self._requests.open_body(*self._range)
        chunk = self._requests.read(self._answer, min(self._left, size))
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        """See Source.close. A response that was not read to its end ends its connection."""
        if self._answer is not None:
            self._answer.close()


def _pour(source: S3Source, sink: Sink) -> None:
    sizes = chunk_sizes()
    with closing(source):
        while piece := source.read(next(sizes)):
            sink(piece)


def _backend(place: S3Place, timeout_seconds: float) -> S3Store:
    """Keys go in through a provider: next to keys given as options, obstore would still use a
    session token of the environment.
    """
    credential = _credential(place)
    return S3Store(
        place.bucket,
        endpoint=place.endpoint,
        region=place.region,
        virtual_hosted_style_request=False,
        unsigned_payload=True,
        disable_bulk_delete=True,
        client_options={
            "allow_http": place.endpoint.startswith("http:"),
            "timeout": timedelta(seconds=timeout_seconds),
            "connect_timeout": timedelta(seconds=min(_CONNECT_SECONDS, timeout_seconds)),
        },
        retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=timeout_seconds)},
        credential_provider=(lambda: credential) if credential else None,
    )


def _credential(place: S3Place) -> "S3Credential | None":
    if not (place.access_key_id and place.secret_access_key):
        return None
    return {
        "access_key_id": place.access_key_id,
        "secret_access_key": place.secret_access_key,
        "expires_at": None,
    }
