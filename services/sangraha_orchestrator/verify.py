"""Reading back what the catalog says there is, and comparing it with what was received."""

import asyncio
import hashlib
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Final, Literal

import msgspec

from sangraha.catalog.catalog import Catalog
from sangraha.catalog.kept import Kept
from sangraha.catalog.located import Located
from sangraha.errors import BodyMissing, StoreUnavailable
from sangraha.store.protocol import Store

Fault = Literal["missing", "damaged"]
Tell = Callable[[Fault, Kept], None]
Passed = Callable[[Kept], None]

_AT_A_TIME: Final = 500
_READS_AT_A_TIME: Final = 8
_EVERYTHING: Final = 100.0


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """How many objects were read back, how many bytes, and how many of the objects have no body, or
    one that is not what was received or cannot be read.
    """

    objects: int
    bytes: int
    missing: int
    damaged: int

    @property
    def is_sound(self) -> bool:
        """Whether all that was read is as it should be."""
        return not (self.missing or self.damaged)


class Verifier:
    """Reads objects back, every version. Others may write and delete meanwhile: what is gone by the
    time it is looked for was deleted, and is no fault.
    """

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog
        self._places = asyncio.Semaphore(_READS_AT_A_TIME)

    async def verify(self, *, percent: float, tell: Tell, passed: Passed) -> Verified:
        """Read so many percent of the objects back, chosen at random; all of them at 100.

        Tells of each fault as it is found, and of each object that was passed, read or not.
        Raises StoreUnavailable where the store is away (one body that it cannot read is damaged),
        and CatalogUnavailable.
        """
        counts: dict[Fault, int] = {"missing": 0, "damaged": 0}
        read = size = 0
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                chosen, skipped = _sample(page, percent)
                faults = await asyncio.gather(*(self._looked_at(kept, passed) for kept in chosen))
                for kept, fault in zip(chosen, faults, strict=True):
                    read += 1
                    size += kept.location.length
                    if fault is not None:
                        counts[fault] += 1
                        tell(fault, kept)
                for kept in skipped:
                    passed(kept)
        return Verified(objects=read, bytes=size, **counts)

    async def _pages(self) -> AsyncGenerator[list[Kept], None]:
        after = None
        while page := await self._catalog.kept_after(after, _AT_A_TIME):
            yield page
            after = page[-1].object_id

    async def _looked_at(self, kept: Kept, passed: Passed) -> Fault | None:
        async with self._places:
            fault = await self._fault(kept)
            if fault is not None and not await self._is_there(kept):
                fault = None
        passed(kept)
        return fault

    async def _fault(self, kept: Kept) -> Fault | None:
        at = kept.location
        digest = hashlib.sha256()
        try:
            async with aclosing(self._store.stream(at.key, at.offset, at.length)) as chunks:
                async for chunk in chunks:
                    await asyncio.to_thread(digest.update, chunk)
        except BodyMissing:
            return "missing"
        except StoreUnavailable:
            await self._store.check()
            return "damaged"
        return None if digest.hexdigest() == kept.sha256 else "damaged"

    async def _is_there(self, kept: Kept) -> bool:
        """Whether the object is still there, in the same body."""
        found = (await self._catalog.locate([kept.object_id])).get(kept.object_id)
        return isinstance(found, Located) and found.location == kept.location


def _sample(page: Sequence[Kept], percent: float) -> tuple[list[Kept], list[Kept]]:
    """Those that are read, and the others."""
    chosen: list[Kept] = []
    skipped: list[Kept] = []
    for kept in page:
        is_chosen = random.uniform(0, _EVERYTHING) <= percent  # noqa: S311 - no secret
        (chosen if is_chosen else skipped).append(kept)
    return chosen, skipped
