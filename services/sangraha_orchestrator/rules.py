"""The buckets by whose rules creates are judged, remembered from one group to the next.

A bucket may be another by now. That harms nobody: the commit refuses what was judged by another
row than it finds, and a refusal by a remembered row is judged again by a fresh one.
"""

from collections.abc import Collection, Mapping
from typing import Final

from sangraha.buckets import Bucket
from sangraha.catalog.catalog import Catalog

MAX_REMEMBERED: Final = 1000


class Rules:
    """The rows of buckets as they were last read, for up to MAX_REMEMBERED of them."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._remembered: dict[str, Bucket] = {}

    def remembered(self, names: Collection[str]) -> Mapping[str, Bucket] | None:
        """The buckets, None unless all of them are remembered."""
        if not all(name in self._remembered for name in names):
            return None
        return {name: self._remembered[name] for name in names}

    async def read(self, names: Collection[str]) -> Mapping[str, Bucket]:
        """Those of the buckets that there are now. Raises CatalogUnavailable."""
        found = await self._catalog.buckets(names)
        for name in names:
            self._remembered.pop(name, None)
        self._remembered.update(found)
        while len(self._remembered) > MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        return found
