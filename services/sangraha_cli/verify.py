"""`sangraha verify`: what is kept, read back and compared, beside whatever else is running."""

import asyncio
import sys

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from sangraha.catalog.catalog import Catalog
from sangraha.catalog.kept import Kept
from sangraha.metrics import Metrics
from sangraha.settings import Settings
from sangraha_cli.beside import store_and_catalog
from sangraha_orchestrator.sweep import Reason, Sweeper
from sangraha_orchestrator.verify import Fault, Verified, Verifier


def verify_once(settings: Settings, *, percent: float) -> Verified:
    """Verify, print what is not as it should be, and say what was found.

    Raises InvalidConfiguration where the store is not this catalog's, and Unavailable.
    """
    return asyncio.run(_verify(settings, percent=percent))


async def _verify(settings: Settings, *, percent: float) -> Verified:
    async with store_and_catalog(settings) as (store, catalog):
        sweeper = Sweeper(store, catalog, settings, Metrics())
        await sweeper.require_own_store()
        verified = await _with_progress(Verifier(store, catalog), catalog, percent)
        swept = await sweeper.sweep(dry_run=True, tell=_tell_orphan)
    typer.echo(
        f"read {verified.objects} objects, {verified.bytes} bytes:"
        f" {verified.missing} missing, {verified.damaged} damaged;"
        f" {swept.orphan} orphaned bodies"
    )
    return verified


async def _with_progress(verifier: Verifier, catalog: Catalog, percent: float) -> Verified:
    totals = await catalog.totals()
    with _progress() as progress:
        count = progress.add_task("objects", total=totals.objects)
        size = progress.add_task("bytes", total=totals.bytes)

        def passed(kept: Kept) -> None:
            progress.advance(count)
            progress.advance(size, kept.location.length)

        return await verifier.verify(percent=percent, tell=_tell, passed=passed)


def _progress() -> Progress:
    """On standard error, for people only: what is found goes to standard output."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )


def _tell(fault: Fault, kept: Kept) -> None:
    name = "" if kept.name is None else f" {kept.bucket}/{kept.name} version {kept.version}"
    typer.echo(f"{fault} {kept.object_id} {kept.location.key}{name}")


def _tell_orphan(reason: Reason, key: str) -> None:
    if reason == "orphan":
        typer.echo(f"orphaned {key}")
