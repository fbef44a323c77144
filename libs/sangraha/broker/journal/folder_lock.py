"""The lock that keeps a second process away from a journal. The kernel frees it at any death."""

import fcntl
import os
from pathlib import Path

from sangraha.errors import InvalidConfiguration


class FolderLock:
    """An exclusive lock (flock) on a file beside the journal."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Make the folder if need be and take the lock, where it is not held already.

        Raises InvalidConfiguration where another process has it or the folder cannot be used.
        """
        if self._descriptor is not None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise InvalidConfiguration(
                f"the folder {self._path.parent} cannot be used: {error.strerror}"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise InvalidConfiguration(
                f"the folder {self._path.parent} is in use by another process"
            ) from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back. May be called twice."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)
