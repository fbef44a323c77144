"""A store in a folder of this machine.

Written by ourselves because durability is the point: obstore's own local store syncs nothing and
leaves its temporary files behind when it is killed.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from sangraha.errors import BodyMissing, InvalidConfiguration, StoreUnavailable
from sangraha.store.batches import in_batches
from sangraha.store.failures import reason
from sangraha.store.keys import require_key
from sangraha.store.local_files import (
    FileSource,
    UnfinishedFile,
    bodies,
    left_behind,
    read_range,
    remove_unless_locked,
    sync_folder,
)
from sangraha.store.pieces import Sized, as_chunks, client_threads, pour
from sangraha.store.protocol import Pieces, Sink, StoredBody, Unfinished
from sangraha.store.source import CHUNK_BYTES, read_ahead, require_range

UNFINISHED: Final = ".unfinished"
"""Bodies being written; no key starts with a dot."""
_THREADS: Final = 16
_ABSENT: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)

T = TypeVar("T")


class LocalStore:
    """The contract of protocol.py. Several processes may use one folder at the same time.

    A key may not continue another (`a/b` and `a/b/c`): a file is no folder.
    """

    def __init__(self, folder: Path, *, timeout_seconds: float) -> None:
        self._root = folder
        self._unfinished = folder / UNFINISHED
        self._timeout_seconds = timeout_seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")
        self._clients = client_threads()
        self._synced_folders: set[Path] = set()

    async def start(self) -> None:
        """Make the folder, and remove what killed processes left unfinished in it."""
        await self._run(self._start)

    async def put(self, key: str, body: bytes) -> None:
        require_key(key)
        await self._run(lambda: self._put(key, body))

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        require_key(key)
        file = UnfinishedFile(self._unfinished, key)
        try:
            async with aclosing(_gathered(chunks)) as gathered:
                async for pieces in gathered:
                    await self._run(partial(file.write, pieces))
            await self._run(lambda: self._place(file, self._root / key))
        except BaseException:
            with suppress(StoreUnavailable):
                await asyncio.shield(self._run(file.discard))
            raise

    async def put_pieces(self, key: str, size: int, pieces: Pieces) -> None:
        async with aclosing(as_chunks(Sized(size, pieces), self._clients)) as chunks:
            await self.put_stream(key, chunks)

    async def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        require_key(key)
        require_range(offset, length)
        return await self._run(lambda: self._get(key, offset, length))

    def stream(self, key: str, offset: int, length: int) -> AsyncGenerator[bytes, None]:
        require_key(key)
        require_range(offset, length)
        source = FileSource(lambda: self._open(key, offset, length), offset)
        return read_ahead(source, self._run)

    async def get_pieces(self, key: str, offset: int, length: int, sink: Sink) -> None:
        await pour(self.stream(key, offset, length), sink, self._clients)

    async def delete(self, key: str) -> None:
        require_key(key)
        await self._run(lambda: self._delete(self._root / key))

    async def list(self) -> AsyncIterator[Sequence[StoredBody]]:
        await self.check()
        async for batch in in_batches(bodies(self._root), self._run):
            yield batch

    async def unfinished(self) -> AsyncIterator[Sequence[Unfinished]]:
        async for batch in in_batches(left_behind(self._unfinished), self._run):
            yield batch

    async def abandon(self, unfinished: Unfinished) -> None:
        await self._run(lambda: remove_unless_locked(self._unfinished / unfinished.upload))

    async def check(self) -> None:
        await self._run(self._check)

    async def close(self) -> None:
        self._threads.shutdown(wait=False)
        self._clients.shutdown(wait=False)

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError:
            raise StoreUnavailable("The store's folder failed: it did not answer in time") from None
        except OSError as error:
            raise StoreUnavailable(f"The store's folder failed: {reason(error)}") from error

    def _start(self) -> None:
        self._synced_folders.clear()
        try:
            missing = [each for each in (self._root, *self._root.parents) if not each.exists()]
            for folder in reversed(missing):
                folder.mkdir(exist_ok=True)
                sync_folder(folder.parent)
            self._unfinished.mkdir(exist_ok=True)
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            raise InvalidConfiguration(
                f"The store's folder {self._root} cannot be used: {error.strerror}"
            ) from error
        for left in self._unfinished.iterdir():
            remove_unless_locked(left)

    def _check(self) -> None:
        if not os.access(self._unfinished, os.W_OK):
            raise StoreUnavailable("The store's folder failed: it is gone or cannot be written")

    def _put(self, key: str, body: bytes) -> None:
        target = self._root / key
        self._make_folder(target.parent)
        if target.is_file():
            # Whoever put it may have died before the folder was on the disk.
            sync_folder(target.parent)
            return
        file = UnfinishedFile(self._unfinished, key)
        try:
            file.write([body])
            self._move(file, target)
        except BaseException:
            file.discard()
            raise
        # Whoever puts the same body may count on it from here on: it stays, even if this fails.
        sync_folder(target.parent)

    def _place(self, file: UnfinishedFile, target: Path) -> None:
        self._move(file, target)
        sync_folder(target.parent)

    def _move(self, file: UnfinishedFile, target: Path) -> None:
        self._make_folder(target.parent)
        try:
            file.move_to(target)
        except FileNotFoundError:
            self._synced_folders.clear()
            raise

    def _make_folder(self, folder: Path) -> None:
        """A folder made by a process that died may not be on the disk: only those that this one
        has synced are taken for granted.
        """
        at = self._root
        for part in folder.relative_to(self._root).parts:
            child = at / part
            if child not in self._synced_folders:
                child.mkdir(exist_ok=True)
                sync_folder(at)
                self._synced_folders.add(child)
            at = child

    def _get(self, key: str, offset: int, length: int | None) -> bytes:
        file, wanted = self._open(key, offset, length)
        with file:
            return read_range(file, offset, wanted)

    def _open(self, key: str, offset: int, length: int | None) -> tuple[BinaryIO, int]:
        """The body's file, and how many of its bytes are wanted."""
        try:
            file = (self._root / key).open("rb", buffering=0)
        except _ABSENT as error:
            self._check()
            raise BodyMissing(f"the store has no body {key}") from error
        try:
            size = os.fstat(file.fileno()).st_size
            wanted = max(0, size - offset) if length is None else length
            if offset + wanted > size:
                raise BodyMissing(f"the body {key} is shorter than asked for")
        except BaseException:
            file.close()
            raise
        return file, wanted

    def _delete(self, target: Path) -> None:
        try:
            target.unlink()
        except _ABSENT:
            self._check()
        else:
            sync_folder(target.parent)


async def _gathered(chunks: AsyncIterator[bytes]) -> AsyncGenerator[list[memoryview], None]:
    """The same bytes in pieces of about CHUNK_BYTES together: a thread each is worth it."""
    pieces: list[memoryview] = []
    size = 0
    async for chunk in chunks:
        view = memoryview(chunk)
        while view:
            pieces.append(view[: CHUNK_BYTES - size])
            view = view[len(pieces[-1]) :]
            size += len(pieces[-1])
            if size == CHUNK_BYTES:
                yield pieces
                pieces, size = [], 0
    yield pieces
