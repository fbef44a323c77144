"""`sangraha sweep`: one sweep by hand, without a broker and beside whatever else is running."""

import asyncio

import typer

from sangraha.catalog.catalog import Catalog
from sangraha.metrics import Metrics
from sangraha.settings import Settings
from sangraha.store.open import open_store
from sangraha_orchestrator.sweep import Reason, Sweeper


def sweep_once(settings: Settings, *, dry_run: bool) -> None:
    """Sweep, and print what is removed, or would be.

    Raises InvalidConfiguration where the store is not this catalog's, and Unavailable.
    """
    asyncio.run(_sweep(settings, dry_run=dry_run))


async def _sweep(settings: Settings, *, dry_run: bool) -> None:
    store = open_store(settings.store, timeout_seconds=settings.store_timeout_seconds)
    catalog = Catalog(
        settings.catalog,
        request_life_seconds=settings.request_life_seconds,
        timeout_seconds=settings.catalog_timeout_seconds,
    )
    try:
        # What is not there is not made, and nothing is tidied up in passing.
        await store.check()
        await catalog.start(must_exist=True)
        sweeper = Sweeper(store, catalog, settings, Metrics())
        swept = await sweeper.sweep(dry_run=dry_run, tell=_tell)
    finally:
        await catalog.close()
        await store.close()
    typer.echo(
        f"{'would remove' if dry_run else 'removed'} {swept.orphan} orphaned, {swept.released}"
        f" released and {swept.unfinished} unfinished bodies"
    )


def _tell(reason: Reason, key: str) -> None:
    typer.echo(f"{reason} {key}")
