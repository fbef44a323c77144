"""`sangraha sweep`: one sweep by hand, without a broker and beside whatever else is running."""

import asyncio

import typer

from sangraha.metrics import Metrics
from sangraha.settings import Settings
from sangraha_cli.beside import store_and_catalog
from sangraha_orchestrator.sweep import Reason, Sweeper


def sweep_once(settings: Settings, *, dry_run: bool) -> None:
    """Sweep, and print what is removed, or would be.

    Raises InvalidConfiguration where the store is not this catalog's, and Unavailable.
    """
    asyncio.run(_sweep(settings, dry_run=dry_run))


async def _sweep(settings: Settings, *, dry_run: bool) -> None:
    async with store_and_catalog(settings) as (store, catalog):
        sweeper = Sweeper(store, catalog, settings, Metrics())
        swept = await sweeper.sweep(dry_run=dry_run, tell=_tell)
    typer.echo(
        f"{'would remove' if dry_run else 'removed'} {swept.orphan} orphaned, {swept.released}"
        f" released and {swept.unfinished} unfinished bodies"
    )


def _tell(reason: Reason, key: str) -> None:
    typer.echo(f"{reason} {key}")
