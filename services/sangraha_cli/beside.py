"""Store and catalog for commands that work beside whatever is running."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sangraha.catalog.catalog import Catalog
from sangraha.settings import Settings
from sangraha.store.open import open_store
from sangraha.store.protocol import Store
from sangraha_cli.compose import open_catalog


@asynccontextmanager
async def store_and_catalog(settings: Settings) -> AsyncIterator[tuple[Store, Catalog]]:
    """Both, which must be there: nothing is made, and nothing is tidied up in passing.

    Raises InvalidConfiguration and Unavailable.
    """
    async with AsyncExitStack() as stack:
        store = open_store(settings.store, timeout_seconds=settings.store_timeout_seconds)
        stack.push_async_callback(store.close)
        catalog = open_catalog(settings)
        stack.push_async_callback(catalog.close)
        await store.check()
        await catalog.start(must_exist=True)
        yield store, catalog
