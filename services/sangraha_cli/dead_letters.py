"""`sangraha dead-letters`: looks after them by hand, straight in the catalog and the queue."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
import typer

from sangraha.catalog.catalog import Catalog, LetterFilter, LetterPosition, LetterState
from sangraha.catalog.cursor import cursor_of, position_of
from sangraha.errors import InvalidConfiguration, InvalidParameter, NotFound
from sangraha.metrics import Metrics
from sangraha.settings import Settings
from sangraha_cli.compose import open_broker, open_catalog
from sangraha_cli.letter_views import letter_table, letter_text
from sangraha_cli.options import DataDir, settings_with, told_failures
from sangraha_orchestrator.documents import LetterList, letter_document
from sangraha_orchestrator.redrive import DEFAULT_RATE, MAX_RATE, MIN_RATE, Attempt, Pace, Redriver

app = typer.Typer(
    help="List, look into, redrive and delete messages that were given up.",
    no_args_is_help=True,
)

Command = Callable[[Settings], Coroutine[Any, Any, None]]

_DELETED_AT_A_TIME: Final = 500

LetterId = Annotated[UUID, typer.Argument(help="The letter's id.")]
LetterIds = Annotated[list[UUID] | None, typer.Argument(help="Letters by their ids.")]
Error = Annotated[str | None, typer.Option(help="Those with this error.")]
Queue = Annotated[str | None, typer.Option(help="Those that came from this queue.")]
RequestId = Annotated[UUID | None, typer.Option(help="Those with this request in them.")]
After = Annotated[
    datetime | None,
    typer.Option(help="Those recorded at 2026-11-21T08:00:00 (UTC) or later.", metavar="TIME"),
]
Before = Annotated[
    datetime | None, typer.Option(help="Those recorded before (UTC), likewise.", metavar="TIME")
]
Text = Annotated[str | None, typer.Option(help="Those whose reason has this text in it.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command("list")
def list_letters(
    *,
    error: Error = None,
    queue: Queue = None,
    request_id: RequestId = None,
    recorded_after: After = None,
    recorded_before: Before = None,
    text: Text = None,
    state: Annotated[
        LetterState, typer.Option(help="Those that were redriven are kept for a while.")
    ] = "waiting",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Go on where a list ended.")] = None,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """List them, newest first."""
    wanted = _filter(error, queue, request_id, recorded_after, recorded_before, text)

    async def page(settings: Settings) -> None:
        after = None if cursor is None else position_of(cursor, LetterPosition)
        async with _catalog(settings) as catalog:
            found = await catalog.dead_letters(wanted, limit=limit + 1, state=state, after=after)
        shown, more = found[:limit], found[limit:]
        following = cursor_of(shown[-1].position) if more else None
        if json:
            documents = [letter_document(letter) for letter in shown]
            _echo_json(LetterList(dead_letters=documents, next_cursor=following))
            return
        typer.echo(letter_table(shown), nl=False)
        if following is not None:
            typer.echo(f"there are more: --cursor {following}")

    _run(page, data_dir)


@app.command()
def show(letter_id: LetterId, json: Json = False, data_dir: DataDir = None) -> None:
    """Show one with its headers, the reason and its first bytes."""

    async def one(settings: Settings) -> None:
        async with _catalog(settings) as catalog:
            letter = await catalog.dead_letter(letter_id)
        if letter is None:
            raise NotFound(f"there is no dead letter {letter_id}")
        if json:
            _echo_json(letter_document(letter))
        else:
            typer.echo(letter_text(letter), nl=False)

    _run(one, data_dir)


@app.command()
def redrive(
    letter_ids: LetterIds = None,
    *,
    error: Error = None,
    queue: Queue = None,
    request_id: RequestId = None,
    recorded_after: After = None,
    recorded_before: Before = None,
    text: Text = None,
    every: All = False,
    rate: Annotated[
        float, typer.Option(min=MIN_RATE, max=MAX_RATE, help="How many a second at most.")
    ] = DEFAULT_RATE,
    force: Annotated[
        bool, typer.Option("--force", help="Also what would come straight back.")
    ] = False,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Put them on the queue that they came from again, the oldest first.

    If this is stopped halfway, do it again: nothing is lost, and nothing made twice.
    """
    wanted = _filter(error, queue, request_id, recorded_after, recorded_before, text)
    refused: list[UUID] = []

    def tell(attempt: Attempt) -> None:
        letter_id, refusal = attempt.letter_id, attempt.refusal
        if refusal is not None:
            refused.append(letter_id)
        if json:
            problem = None if refusal is None else refusal.problem().document()
            _echo_json({"letter_id": letter_id, "problem": problem})
        elif refusal is None:
            typer.echo(f"redriven {letter_id}")
        else:
            typer.echo(f"refused {letter_id}: {refusal.detail}", err=True)

    async def send(settings: Settings) -> None:
        _require_choice(letter_ids, wanted, every=every)
        async with _catalog(settings) as catalog, _redriver(settings, catalog) as redriver:
            pace = Pace(rate)
            if letter_ids:
                for letter_id in letter_ids:
                    tell(await redriver.attempt(letter_id, pace, force=force))
                return
            those = await redriver.those_now(wanted)
            async with aclosing(redriver.each(those, pace, force=force)) as attempts:
                async for _, attempt in attempts:
                    tell(attempt)

    _run(send, data_dir)
    if refused:
        raise typer.Exit(2)


@app.command()
def delete(
    letter_ids: LetterIds = None,
    *,
    error: Error = None,
    queue: Queue = None,
    request_id: RequestId = None,
    recorded_after: After = None,
    recorded_before: Before = None,
    text: Text = None,
    every: All = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Delete them for good. Their requests stay dead, and their bodies may be swept."""
    wanted = _filter(error, queue, request_id, recorded_after, recorded_before, text)

    async def remove(settings: Settings) -> None:
        _require_choice(letter_ids, wanted, every=every)
        if not yes:
            _confirm()
        async with _catalog(settings) as catalog:
            deleted = await _delete(catalog, letter_ids or [], wanted)
        if json:
            _echo_json({"deleted": deleted})
        else:
            typer.echo(f"deleted {deleted} dead letters")

    _run(remove, data_dir)


async def _delete(catalog: Catalog, letter_ids: list[UUID], wanted: LetterFilter) -> int:
    deleted = 0
    for letter_id in letter_ids:
        if not await catalog.delete_dead_letter(letter_id):
            raise NotFound(f"there is no dead letter {letter_id}; {deleted} were deleted before it")
        deleted += 1
    while not letter_ids:
        some = await catalog.delete_dead_letters(wanted, limit=_DELETED_AT_A_TIME)
        if not some:
            break
        deleted += some
    return deleted


def _filter(  # noqa: PLR0917 - the options, in their order
    error: str | None,
    queue: str | None,
    request_id: UUID | None,
    recorded_after: datetime | None,
    recorded_before: datetime | None,
    text: str | None,
) -> LetterFilter:
    after, before = (
        None if moment is None else moment.replace(tzinfo=moment.tzinfo or UTC)
        for moment in (recorded_after, recorded_before)
    )
    return LetterFilter(
        error=error,
        queue=queue,
        request_id=request_id,
        recorded_after=after,
        recorded_before=before,
        text=text,
    )


def _require_choice(letter_ids: list[UUID] | None, wanted: LetterFilter, *, every: bool) -> None:
    chosen = [bool(letter_ids), wanted != LetterFilter(), every]
    if sum(chosen) != 1:
        raise InvalidParameter("say which: by their ids, or by filters, or --all")


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise InvalidParameter("add --yes to delete them without being asked")
    typer.confirm("Delete them for good?", abort=True)


@asynccontextmanager
async def _catalog(settings: Settings) -> AsyncIterator[Catalog]:
    """The catalog, which must be there."""
    catalog = open_catalog(settings)
    try:
        await catalog.start(must_exist=True)
        yield catalog
    finally:
        await catalog.close()


@asynccontextmanager
async def _redriver(settings: Settings, catalog: Catalog) -> AsyncIterator[Redriver]:
    broker = open_broker(settings.broker, f"sangraha dead-letters {settings.replica}")
    try:
        await broker.start()
    except InvalidConfiguration as error:
        if not settings.broker.startswith("journal:"):
            raise
        raise InvalidConfiguration(
            f"{error.detail}. A running Sangraha has its embedded queue to itself: let it redrive"
            " them (POST /dead-letters/redrive at its address; docs/reliability.md), or end it"
            " before you do it here"
        ) from error
    try:
        await broker.wait_ready(settings.publish_timeout_seconds)
        yield Redriver(
            broker,
            catalog,
            Metrics(),
            publish_timeout_seconds=settings.publish_timeout_seconds,
        )
    finally:
        await broker.close()


def _echo_json(document: Any) -> None:
    typer.echo(msgspec.json.encode(document))


def _run(command: Command, data_dir: Path | None) -> None:
    with told_failures():
        asyncio.run(command(settings_with(data_dir)))
