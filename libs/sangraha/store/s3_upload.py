"""One body of unknown size on its way into an S3 bucket: parts are sent while more is coming.

That it began is noted in the bucket (`UPLOADS` + key) until it has ended, for the sweep: MinIO
lists unfinished uploads reliably only by the whole key, so somebody has to know the keys.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from threading import Event
from typing import Any, Final, TypeVar

from minio.datatypes import Part

from sangraha.errors import StoreUnavailable
from sangraha.store.protocol import PART_BYTES
from sangraha.store.s3_requests import S3Requests

_AT_ONCE: Final = 4

T = TypeVar("T")


class S3Upload:
    """Takes the body chunk by chunk, in the memory of up to five parts.

    `put` and `delete` are those of the store. After `write` or `finish` raised anything, or was
    cancelled, `discard` removes all traces.
    """

    def __init__(
        self,
        key: str,
        requests: S3Requests,
        threads: Executor,
        *,
        put: Callable[[str, bytes], Awaitable[None]],
        delete: Callable[[str], Awaitable[None]],
    ) -> None:
        self._key = key
        self._requests = requests
        self._threads = threads
        self._put = put
        self._delete = delete
        self._buffer = bytearray(PART_BYTES)
        self._filled = 0
        self._free: list[bytearray] = []
        self._upload: str | None = None
        self._sending: dict[asyncio.Future[Part], bytearray] = {}
        self._parts: list[Part] = []
        self._steps: list[asyncio.Future[Any]] = []
        self._has_begun = False
        self._may_be_there = False
        self._given_up = Event()

    async def write(self, chunk: bytes) -> None:
        """Take more of the body; waits while four parts are on their way. Raises
        StoreUnavailable, for an earlier chunk as well.
        """
        self._collect()
        rest = memoryview(chunk)
        while rest:
            if self._filled == PART_BYTES:
                await self._send()
            taken = rest[: PART_BYTES - self._filled]
            self._buffer[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            rest = rest[len(taken) :]

    async def finish(self) -> None:
        """Make the body visible. Raises StoreUnavailable."""
        if self._upload is None:
            self._may_be_there = True
            await self._step(self._put(self._key, bytes(self._buffer[: self._filled])))
            return
        await self._send()
        while self._sending:
            await self._wait_for_a_part()
        self._may_be_there = True
        parts = sorted(self._parts, key=lambda part: part.part_number)
        await self._in_thread(self._requests.complete_upload, self._key, self._upload, parts)
        with suppress(StoreUnavailable):
            await self._in_thread(self._requests.end_upload, self._key)

    async def discard(self) -> None:
        """Leave nothing. Raises StoreUnavailable: then the note is there still."""
        self._given_up.set()
        # What is under way could come after what undoes it.
        await asyncio.gather(*self._sending, *self._steps, return_exceptions=True)
        if self._has_begun:
            await self._in_thread(self._requests.abort_uploads, self._key)
        if self._may_be_there:
            await self._delete(self._key)
        if self._has_begun:
            await self._in_thread(self._requests.end_upload, self._key)

    async def _send(self) -> None:
        if self._upload is None:
            self._has_begun = True
            self._upload = await self._in_thread(self._requests.begin_upload, self._key)
        while len(self._sending) >= _AT_ONCE:
            await self._wait_for_a_part()
        number = len(self._parts) + len(self._sending) + 1
        body = memoryview(self._buffer)[: self._filled]
        part = asyncio.get_running_loop().run_in_executor(
            self._threads,
            partial(self._requests.put_part, self._key, self._upload, number, body, self._given_up),
        )
        self._sending[part] = self._buffer
        self._buffer = self._free.pop() if self._free else bytearray(PART_BYTES)
        self._filled = 0

    async def _wait_for_a_part(self) -> None:
        await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
        self._collect()

    def _collect(self) -> None:
        for part in [part for part in self._sending if part.done()]:
            self._parts.append(part.result())
            self._free.append(self._sending.pop(part))

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        running = asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        return await self._step(running)

    async def _step(self, work: Awaitable[T]) -> T:
        """It goes on when the task is cancelled: `discard` has to wait for it."""
        step = asyncio.ensure_future(work)
        self._steps.append(step)
        return await asyncio.shield(step)
