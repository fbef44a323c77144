"""The sweep: removes from the store what nothing refers to and nothing ever will.

Each body is condemned in the catalog, then removed from the store, then noted as removed. A sweep
may be stopped at any point, and several may be at work at once.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from sangraha.catalog.catalog import Catalog
from sangraha.errors import BodyMissing, InvalidConfiguration, StoreUnavailable
from sangraha.metrics import Metrics
from sangraha.settings import Settings
from sangraha.store.keys import EPOCH_KEY
from sangraha.store.protocol import Store, StoredBody

logger = logging.getLogger(__name__)

Reason = Literal["orphan", "released", "unfinished"]
Tell = Callable[[Reason, str], None]
Batches = AsyncGenerator[Collection[str], None]

GRACE: Final = timedelta(days=1)
"""How much older than the longest life of a request something must be that the catalog does not
know: clocks differ, and a request past its life takes some time to become a dead letter.
"""
_AT_A_TIME: Final = 500
_LETTERS_AT_A_TIME: Final = 50
_DELETES_AT_A_TIME: Final = 16
# What looks otherwise is the system's own, or was put there by somebody else.
_BODY: Final = re.compile(r"[^/]+/objects/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}[^/]*")


class Sweepings(msgspec.Struct, frozen=True, kw_only=True):
    """How many bodies were removed, or would be: those that nothing refers to, those of deleted
    objects, and those of which only a part came.
    """

    orphan: int
    released: int
    unfinished: int


class Sweeper:
    """Sweeps a store by the catalog that it belongs to, and by no other."""

    def __init__(
        self, store: Store, catalog: Catalog, settings: Settings, metrics: Metrics
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._grace = timedelta(seconds=settings.request_life_seconds) + GRACE
        self._released_seconds = settings.sweep_released_seconds
        self._swept = metrics.swept_bodies
        self._places = asyncio.Semaphore(_DELETES_AT_A_TIME)

    async def claim(self) -> None:
        """Make the store this catalog's, unless it is another's.

        Raises InvalidConfiguration where it is, StoreUnavailable and CatalogUnavailable.
        """
        epoch = await self._catalog.epoch()
        # What is there already stays.
        await self._store.put(EPOCH_KEY, str(epoch).encode())
        await self.require_own_store()

    async def require_own_store(self) -> None:
        """Raises InvalidConfiguration unless the store is known to be this catalog's."""
        epoch = str(await self._catalog.epoch())
        try:
            kept = (await self._store.get(EPOCH_KEY)).decode(errors="replace")
        except BodyMissing as error:
            raise InvalidConfiguration(
                "the store does not say which catalog it belongs to; an orchestrator writes that"
                " down when it starts"
            ) from error
        if kept != epoch:
            raise InvalidConfiguration(
                f"the store belongs to the catalog {kept!r}, but this is {epoch!r}: what this one"
                " does not know may be the other's"
            )

    async def sweep(self, *, dry_run: bool = False, tell: Tell = lambda *_: None) -> Sweepings:
        """Remove all that may be removed, and tell of each. A dry run only tells.

        Raises InvalidConfiguration where the store is not this catalog's, StoreUnavailable and
        CatalogUnavailable; what is left then, the next sweep takes.
        """
        await self.require_own_store()
        if not dry_run:
            await self._retire_letters()
        counts: dict[Reason, int] = {}
        steps: dict[Reason, Batches] = {
            "released": self._would_release() if dry_run else self._release(),
            "orphan": self._orphans(dry_run=dry_run),
            "unfinished": self._unfinished(dry_run=dry_run),
        }
        for reason, step in steps.items():
            counts[reason] = 0
            async with aclosing(step) as batches:
                async for keys in batches:
                    counts[reason] += len(keys)
                    if not dry_run:
                        self._swept.labels(reason).inc(len(keys))
                    for key in sorted(keys):
                        tell(reason, key)
        return Sweepings(**counts)

    async def _retire_letters(self) -> None:
        """Let go of what redriven letters pin whose requests are settled."""
        after = None
        while after := await self._catalog.retire_letters(_LETTERS_AT_A_TIME, after):
            pass

    async def _release(self) -> Batches:
        while keys := await self._catalog.condemn_released(self._released_seconds, _AT_A_TIME):
            yield await self._remove(keys)

    async def _would_release(self) -> Batches:
        after = None
        while keys := await self._catalog.released(self._released_seconds, _AT_A_TIME, after):
            yield keys
            after = keys[-1]

    async def _orphans(self, *, dry_run: bool) -> Batches:
        before = await self._catalog.now() - self._grace
        async for listed in self._store.list():
            old = old_bodies(listed, before)
            for start in range(0, len(old), _AT_A_TIME):
                found = await self._catalog.orphans(old[start : start + _AT_A_TIME])
                if found and not dry_run:
                    found = await self._remove(await self._catalog.condemn(found))
                if found:
                    yield found

    async def _unfinished(self, *, dry_run: bool) -> Batches:
        before = await self._catalog.now() - self._grace
        async for listed in self._store.unfinished():
            for unfinished in listed:
                if unfinished.begun_at < before:
                    if not dry_run:
                        await self._store.abandon(unfinished)
                    yield [unfinished.key]

    async def _remove(self, condemned: Collection[str]) -> set[str]:
        """Those that are gone now. What the store does not let go of yet (MinIO waits for those who
        read it) stays condemned, and a later sweep finds it among the orphans.
        """
        keys = list(condemned)
        deleted = await asyncio.gather(*(self._delete(key) for key in keys))
        gone = {key for key, is_gone in zip(keys, deleted, strict=True) if is_gone}
        await self._catalog.removed(gone)
        if len(gone) < len(keys):
            # One body that stays is no reason to stop; a store that is away is.
            await self._store.check()
        return gone

    async def _delete(self, key: str) -> bool:
        async with self._places:
            try:
                await self._store.delete(key)
            except StoreUnavailable as error:
                logger.warning("left %s for a later sweep: %s", key, error)
                return False
            return True


def old_bodies(listed: Collection[StoredBody], before: datetime) -> list[str]:
    """The keys of those that were put before that, and by us."""
    return [
        body.key
        for body in listed
        if body.modified_at < before and _BODY.fullmatch(body.key) is not None
    ]
