"""A store in a folder of this machine.

Written by ourselves because durability is the point: obstore's own local store syncs nothing and
leaves its temporary files behind when it is killed.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, TypeVar
from uuid import uuid4

from sangraha.errors import BodyMissing, InvalidConfiguration, StoreUnavailable
from sangraha.store.failures import reason
from sangraha.store.keys import require_key

UNFINISHED: Final = ".unfinished"
"""Bodies being written; no key starts with a dot."""
_THREADS: Final = 16

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
        self._synced_folders: set[Path] = set()

    async def start(self) -> None:
        """Make the folder, and remove what killed processes left unfinished in it."""
        await self._run(self._start)

    async def put(self, key: str, body: bytes) -> None:
        require_key(key)
        await self._run(lambda: self._put(self._root / key, body))

    async def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        require_key(key)
        if offset < 0 or (length is not None and length < 0):
            raise ValueError(f"not a range: {offset}, {length}")
        return await self._run(lambda: self._get(key, offset, length))

    async def delete(self, key: str) -> None:
        require_key(key)
        await self._run(lambda: self._delete(self._root / key))

    async def check(self) -> None:
        await self._run(self._check)

    async def close(self) -> None:
        self._threads.shutdown(wait=False)

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
                _sync_folder(folder.parent)
            self._unfinished.mkdir(exist_ok=True)
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            raise InvalidConfiguration(
                f"The store's folder {self._root} cannot be used: {error.strerror}"
            ) from error
        for left in self._unfinished.iterdir():
            _remove_unless_locked(left)

    def _check(self) -> None:
        if not os.access(self._unfinished, os.W_OK):
            raise StoreUnavailable("The store's folder failed: it is gone or cannot be written")

    def _put(self, target: Path, body: bytes) -> None:
        self._make_folder(target.parent)
        if target.is_file():
            # Whoever put it may have died before the folder was on the disk.
            _sync_folder(target.parent)
            return
        with _new_file(self._unfinished) as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
            try:
                os.rename(file.name, target)
            except FileNotFoundError:
                self._synced_folders.clear()
                raise
        _sync_folder(target.parent)

    def _make_folder(self, folder: Path) -> None:
        """A folder made by a process that died may not be on the disk: only those that this one
        has synced are taken for granted.
        """
        at = self._root
        for part in folder.relative_to(self._root).parts:
            child = at / part
            if child not in self._synced_folders:
                child.mkdir(exist_ok=True)
                _sync_folder(at)
                self._synced_folders.add(child)
            at = child

    def _get(self, key: str, offset: int, length: int | None) -> bytes:
        try:
            with (self._root / key).open("rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                wanted = max(0, size - offset) if length is None else length
                if offset + wanted > size:
                    raise BodyMissing(f"the body {key} is shorter than asked for")
                return _read(file, offset, wanted)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            self._check()
            raise BodyMissing(f"the store has no body {key}") from error

    def _delete(self, target: Path) -> None:
        try:
            target.unlink()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            self._check()
        else:
            _sync_folder(target.parent)


def _read(file: BinaryIO, offset: int, wanted: int) -> bytes:
    """Exactly `wanted` bytes; one read gives at most 2 GiB."""
    pieces = []
    while wanted and (piece := os.pread(file.fileno(), wanted, offset)):
        pieces.append(piece)
        offset += len(piece)
        wanted -= len(piece)
    if wanted:
        raise BodyMissing("the body became shorter while it was read")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


@contextmanager
def _new_file(folder: Path) -> Iterator[BinaryIO]:
    """A file of its own, locked while it is open; gone afterwards unless it was renamed."""
    while True:
        path = folder / uuid4().hex
        with path.open("xb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                # Between being made and being locked it looks like one that was left behind.
                if os.fstat(file.fileno()).st_nlink == 0:
                    continue
                yield file
            except BaseException:
                with suppress(FileNotFoundError):
                    path.unlink()
                raise
            return


def _remove_unless_locked(path: Path) -> None:
    """Only a living process can hold a lock."""
    with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
