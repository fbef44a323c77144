"""What a store is to the services: whole bodies in, ranges of bodies out.

The contract is tests/contract/store_contract.py; every store passes all of it.
"""

from typing import Protocol


class Store(Protocol):
    """A store of bodies under keys such as `default/objects/{id}-{slug}`.

    Every call is one attempt, bounded by the store's own timeout: when and whether to try again
    is the caller's decision.
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

    async def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """`length` bytes from `offset` (to the end, if None).

        Raises BodyMissing where there is no such key or it is shorter than asked for, and
        StoreUnavailable.
        """

    async def delete(self, key: str) -> None:
        """Remove the body; nothing happens if there is none. Raises StoreUnavailable."""

    async def check(self) -> None:
        """Raises StoreUnavailable unless the store answers and the bucket is there."""

    async def close(self) -> None:
        """Let go of connections."""
