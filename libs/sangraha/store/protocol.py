"""What a store is to the services: bodies in, whole or as a stream, and ranges of bodies out.

The contract is tests/contract/store_contract.py; every store passes all of it.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import Final, Protocol

import msgspec

PART_BYTES: Final = 8 * 1024 * 1024
"""A streamed body goes to S3 in parts of this size (the last one may be smaller)."""
MAX_PUT_BYTES: Final = 5 * 1024**3
"""No body of known size may be larger: S3 takes no more in one request."""


class StoredBody(msgspec.Struct, frozen=True):
    """A body in a listing. `modified_at` is the store's own time."""

    key: str
    size: int
    modified_at: datetime


class Unfinished(msgspec.Struct, frozen=True):
    """A body of which only a part came, and nobody will send the rest. `upload` is the store's own
    name for the attempt; the key is for people, and the end of a very long one may be missing.
    """

    key: str
    upload: str
    begun_at: datetime


class Pieces(Protocol):
    """A body that a thread takes from whoever sends it. Each piece is good until the next."""

    def __iter__(self) -> Iterator[memoryview]:
        """All of it, once. While the sender is silent something kept comes every few seconds, or
        nothing is left to give: servers give up on requests that stand still.
        """

    def cancel(self) -> None:
        """From any thread: what waits for the sender raises soon."""


class Sink(Protocol):
    """Where a thread puts a body, piece by piece."""

    def __call__(self, piece: bytes) -> None:
        """Take the next piece; it may block."""

    def cancel(self) -> None:
        """From any thread: what waits for whoever takes them raises soon."""


class Store(Protocol):
    """A store of bodies under keys such as `default/objects/{id}-{slug}`.

    Every call is one attempt, bounded by the store's own timeout (a stream: each of its steps):
    when and whether to try again is the caller's decision.
    """

    async def start(self) -> None:
        """Make the bucket or folder if it is not there.

        Raises StoreUnavailable, or InvalidConfiguration for what will never work.
        """

    async def put(self, key: str, body: bytes) -> None:
        """Keep `body` at `key`; durable once it returns. Readers see all of it or nothing.

        A body is never replaced: keys are made from ids, so one that is there already came from
        an earlier attempt, and stays. Raises StoreUnavailable.
        """

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        """Likewise a body of any size, in bounded memory (some parts of PART_BYTES).

        The key is one that nobody else writes, and it is 1,000 bytes long at most. What `chunks`
        raises is raised, and nothing is kept then, nor where the task is cancelled; what a killed
        process leaves is `unfinished`. How long `chunks` takes does not matter. Raises
        StoreUnavailable; what it could not clear away then is `unfinished` too, or a body that
        nobody knows.
        """

    async def put_pieces(self, key: str, size: int, pieces: Pieces) -> None:
        """Likewise a body of `size` bytes, MAX_PUT_BYTES at most. To S3 one thread takes it from
        its sender: faster, and in less memory. Raises ValueError where there are not `size` bytes,
        or too many of them.
        """

    async def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """`length` bytes from `offset` (to the end, if None).

        Raises BodyMissing where there is no such key or it is shorter than asked for, and
        StoreUnavailable.
        """

    def stream(self, key: str, offset: int, length: int) -> AsyncGenerator[bytes, None]:
        """Likewise in chunks of up to a few MiB, without holding more than some of them.

        The errors come with the chunk where they happen; the chunks before were right. Who leaves
        off early closes it (`aclose`): that lets go of the store.
        """

    async def get_pieces(self, key: str, offset: int, length: int, sink: Sink) -> None:
        """Likewise into `sink`, from S3 in one thread: faster. What the sink raises is raised."""

    async def delete(self, key: str) -> None:
        """Remove the body; nothing happens if there is none. Raises StoreUnavailable."""

    def list(self) -> AsyncIterator[Sequence[StoredBody]]:
        """All finished bodies, in batches; what came or went meanwhile may be missing or there.
        Raises StoreUnavailable.
        """

    def unfinished(self) -> AsyncIterator[Sequence[Unfinished]]:
        """All unfinished ones, in batches. Those in a local folder have no living writer; those in
        S3 may be on their way: their age has to tell. Raises StoreUnavailable.
        """

    async def abandon(self, unfinished: Unfinished) -> None:
        """Remove an unfinished body; nothing happens if it is gone. Raises StoreUnavailable."""

    async def check(self) -> None:
        """Raises StoreUnavailable unless the store answers and the bucket is there."""

    async def close(self) -> None:
        """Let go of connections."""
