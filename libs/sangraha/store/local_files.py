"""The files of the local store: written where nobody looks, and moved to their place when whole."""

import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final
from uuid import uuid4

from sangraha.errors import BodyMissing
from sangraha.store.keys import is_key
from sangraha.store.protocol import StoredBody, Unfinished

_SYNC_BYTES: Final = 16 * 1024 * 1024
_MAX_NAME: Final = 255
_SLASH: Final = "~"
"""Stands for a slash in the name of an unfinished file; no key has it."""


class UnfinishedFile:
    """A file in `folder` that is made when the first bytes come, and locked until it has moved.

    Only a living process can hold a lock, so what is not locked was left behind. The file's name
    tells the key (the end of a very long one is cut off). Calls block, and wait for each other:
    one that hangs in a thread does not hinder another thread from discarding afterwards. They
    raise OSError.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._name = f"{uuid4().hex}{_SLASH}{key.replace('/', _SLASH)}"[:_MAX_NAME]
        self._path: Path | None = None
        self._file: BinaryIO | None = None
        self._unsynced = 0
        self._discarded = False
        self._alone = threading.Lock()

    def write(self, pieces: Iterable[bytes | memoryview]) -> None:
        """At the end of what is there. Synced now and then, so that no single step takes long."""
        with self._alone:
            file = self._opened()
            for piece in pieces:
                file.write(piece)
                self._unsynced += len(piece)
            if self._unsynced >= _SYNC_BYTES:
                self._sync(file)

    def move_to(self, target: Path) -> None:
        """To its place, whole; durable once the target's folder is synced too."""
        with self._alone, self._opened() as file:
            self._sync(file)
            os.rename(file.name, target)
            self._path = target

    def discard(self) -> None:
        """Remove it, wherever it is by now."""
        with self._alone:
            self._discarded = True
            if self._file is not None:
                self._file.close()
            if self._path is not None:
                self._path.unlink(missing_ok=True)

    def _opened(self) -> BinaryIO:
        if self._discarded:
            raise FileNotFoundError("the unfinished file was discarded")
        while self._file is None or self._file.closed:
            self._path = self._folder / self._name
            self._file = self._path.open("xb")
            fcntl.flock(self._file, fcntl.LOCK_EX)
            # Between being made and being locked it looks like one that was left behind.
            if os.fstat(self._file.fileno()).st_nlink == 0:
                self._file.close()
        return self._file

    def _sync(self, file: BinaryIO) -> None:
        file.flush()
        os.fsync(file.fileno())
        self._unsynced = 0


class FileSource:
    """A range of a body, from one open file: a delete meanwhile does not cut it short.

    `open_range` gives the file and how much of it is wanted; see LocalStore.
    """

    def __init__(self, open_range: Callable[[], tuple[BinaryIO, int]], offset: int) -> None:
        self._open_range = open_range
        self._offset = offset
        self._left = 0
        self._file: BinaryIO | None = None

    def read(self, size: int) -> bytes:
        """See Source.read. Raises BodyMissing and OSError."""
        if self._file is None:
            self._file, self._left = self._open_range()
        chunk = read_range(self._file, self._offset, min(self._left, size))
        self._offset += len(chunk)
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        """See Source.close."""
        if self._file is not None:
            self._file.close()


def read_range(file: BinaryIO, offset: int, wanted: int) -> bytes:
    """Exactly `wanted` bytes; one read gives at most 2 GiB. Raises BodyMissing and OSError."""
    pieces = []
    while wanted and (piece := os.pread(file.fileno(), wanted, offset)):
        pieces.append(piece)
        offset += len(piece)
        wanted -= len(piece)
    if wanted:
        raise BodyMissing("the body became shorter while it was read")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def bodies(folder: Path, prefix: str = "") -> Iterator[StoredBody]:
    """Those below the folder, as they are found. What vanishes meanwhile is left out, and so are
    folders that may not be read (such as `lost+found`): no body was put there.
    """
    with suppress(FileNotFoundError, PermissionError), os.scandir(folder) as entries:
        for entry in entries:
            key = prefix + entry.name
            if not is_key(key):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from bodies(folder / entry.name, f"{key}/")
            elif entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    about = entry.stat(follow_symlinks=False)
                    yield StoredBody(key, about.st_size, _moment(about))


def left_behind(folder: Path) -> Iterator[Unfinished]:
    """The unfinished files that no living process writes. `begun_at` is the last time one did."""
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError, BlockingIOError):
                begun_at = _unlocked_since(folder / entry.name)
                key = entry.name.partition(_SLASH)[2].replace(_SLASH, "/")
                yield Unfinished(key, entry.name, begun_at)


def remove_unless_locked(path: Path) -> None:
    """Nothing happens where it is gone, or a living process writes it."""
    with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()


def _unlocked_since(path: Path) -> datetime:
    """Raises BlockingIOError where somebody holds the lock."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return _moment(os.fstat(file.fileno()))


def sync_folder(folder: Path) -> None:
    """Make durable what was made, renamed or removed in it. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _moment(about: os.stat_result) -> datetime:
    return datetime.fromtimestamp(about.st_mtime, UTC)
