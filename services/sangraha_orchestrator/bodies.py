"""The bodies of a group in the store: kept before the commit, removed where it refused them."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from sangraha.catalog.verdict import Entry, NewObject
from sangraha.messages import Claimed, CreateObject, Rejected, WriteOutcome, WriteRequest
from sangraha.store.protocol import Store

logger = logging.getLogger(__name__)

_AT_A_TIME: Final = 32


class Bodies:
    """What the requests of one delivery have in the store. Every step may be repeated."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._places = asyncio.Semaphore(_AT_A_TIME)
        self._keys: dict[UUID, str] = {}

    async def keep(self, requests: Sequence[WriteRequest], entries: Sequence[Entry]) -> None:
        """Put the bodies that came inside the message and are to be committed.

        Raises StoreUnavailable.
        """
        puts = []
        for request, entry in zip(requests, entries, strict=True):
            if not isinstance(request, CreateObject):
                continue
            if isinstance(request.content, Claimed):
                self._keys[request.request_id] = request.content.key
            elif isinstance(entry, NewObject):
                self._keys[request.request_id] = entry.location.key
                puts.append(self._put(entry.location.key, request.content.body))
        # All of them end before any is tried again: no two puts of one key at a time.
        for result in await asyncio.gather(*puts, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def remove_refused(self, outcomes: Iterable[WriteOutcome]) -> None:
        """Remove what was refused for good, best effort: what is missed, the sweep takes."""
        refused = [one.request_id for one in outcomes if isinstance(one, Rejected)]
        keys = [self._keys[request_id] for request_id in refused if request_id in self._keys]
        await asyncio.gather(*(self._remove(key) for key in keys))

    async def _put(self, key: str, body: bytes) -> None:
        async with self._places:
            await self._store.put(key, body)

    async def _remove(self, key: str) -> None:
        async with self._places:
            try:
                await self._store.delete(key)
            except Exception as error:
                # The delivery is settled: nothing here may fail it any more.
                logger.warning("left a refused body for the sweep: %s", error)
