"""The bodies of a group in the store: kept before the commit, removed where it did not use them."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from sangraha.catalog.catalog import Catalog, Located
from sangraha.catalog.verdict import Entry, NewObject
from sangraha.messages import (
    Claimed,
    CreateObject,
    Done,
    Rejected,
    WriteOutcome,
    WriteRequest,
)
from sangraha.store.protocol import Store

logger = logging.getLogger(__name__)

_AT_A_TIME: Final = 32


class Bodies:
    """What the requests of one delivery have in the store. Every step may be repeated."""

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog
        self._places = asyncio.Semaphore(_AT_A_TIME)
        self._keys: dict[UUID, str] = {}
        self._claimed: dict[UUID, str] = {}

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
                self._claimed[request.request_id] = request.content.key
            elif isinstance(entry, NewObject):
                self._keys[request.request_id] = entry.location.key
                puts.append(self._put(entry.location.key, request.content.body))
        # All of them end before any is tried again: no two puts of one key at a time.
        for result in await asyncio.gather(*puts, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def remove_unused(self, outcomes: Sequence[WriteOutcome]) -> None:
        """Remove what was refused for good, and what was done with another body, best effort: what
        is missed, the sweep takes.
        """
        refused = [one.request_id for one in outcomes if isinstance(one, Rejected)]
        keys = [self._keys[request_id] for request_id in refused if request_id in self._keys]
        keys += await self._spare(outcomes)
        await asyncio.gather(*(self._remove(key) for key in keys))

    async def _spare(self, outcomes: Iterable[WriteOutcome]) -> list[str]:
        """The keys of bodies whose requests were done with others: whoever sends a request again
        under its idempotency key brings the body again. Nothing will ever be committed in them.
        """
        done = [
            one.request_id
            for one in outcomes
            if isinstance(one, Done) and one.request_id in self._claimed
        ]
        if not done:
            return []
        try:
            found = await self._catalog.locate(done)
        except Exception as error:
            # The delivery is settled: nothing here may fail it any more.
            logger.warning("left what may be spare bodies for the sweep: %s", error)
            return []
        return [
            self._claimed[request_id]
            for request_id, there in found.items()
            if isinstance(there, Located) and there.location.key != self._claimed[request_id]
        ]

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
