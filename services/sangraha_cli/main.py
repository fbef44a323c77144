"""The `sangraha` command."""

import gc
from collections.abc import Callable
from typing import Annotated

import typer
import uvloop

from sangraha.errors import InvalidConfiguration
from sangraha.http.routes import Service as ServiceName
from sangraha.logs import configure_logs
from sangraha.settings import load_settings
from sangraha_cli.compose import ALL_SERVICES, compose
from sangraha_cli.dead_letters import app as dead_letters_app
from sangraha_cli.options import DataDir, settings_with, told_failures
from sangraha_cli.process import run_process
from sangraha_cli.settings_page import settings_page
from sangraha_cli.sweep import sweep_once
from sangraha_cli.verify import verify_once

app = typer.Typer(
    help="A durable, queue-backed object store front end.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(dead_letters_app, name="dead-letters")

Host = Annotated[str | None, typer.Option(help="The address to listen on.", show_default=False)]
Port = Annotated[int | None, typer.Option(help="The port to listen on.", show_default=False)]


@app.command()
def run(host: Host = None, port: Port = None, data_dir: DataDir = None) -> None:
    """Run all services in one process, by default with no servers, in a data folder."""

    def welcome(address: str) -> None:
        typer.echo(f"Sangraha is ready at {address} (Ctrl-C ends it). Try:")
        typer.echo(
            f"  curl {address}/objects -H 'Content-Type: application/json' "
            '-d \'{"data": {"hello": "world"}}\''
        )

    _serve(ALL_SERVICES, "all", welcome, host=host, port=port, data_dir=data_dir)


@app.command()
def receiver(host: Host = None, port: Port = None) -> None:
    """Run a receiver: takes writes in."""
    _serve(("receiver",), "receiver", _announce, host=host, port=port)


@app.command()
def getter(host: Host = None, port: Port = None) -> None:
    """Run a getter: serves reads."""
    _serve(("getter",), "getter", _announce, host=host, port=port)


@app.command()
def orchestrator(host: Host = None, port: Port = None) -> None:
    """Run an orchestrator: the worker pool."""
    _serve(("orchestrator",), "orchestrator", _announce, host=host, port=port)


@app.command()
def sweep(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would go.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Remove from the store what nothing refers to: once, now, beside whatever is running."""
    with told_failures():
        sweep_once(settings_with(data_dir), dry_run=dry_run)


@app.command()
def verify(
    sample: Annotated[
        float,
        typer.Option(
            min=0, max=100, help="Read only so many percent of the objects, chosen at random."
        ),
    ] = 100,
    data_dir: DataDir = None,
) -> None:
    """Read every object back and compare its digest: once, now, beside whatever is running.

    Prints what is missing, damaged or orphaned. Ends with status 3 if any object is missing or
    damaged; orphans are harmless, and the sweep takes them.
    """
    with told_failures():
        if not verify_once(settings_with(data_dir), percent=sample).is_sound:
            raise typer.Exit(3)


@app.command()
def settings() -> None:
    """Print every setting with its default and meaning, as Markdown."""
    typer.echo(settings_page(), nl=False)


def _announce(address: str) -> None:
    typer.echo(f"ready at {address}")


def _serve(
    names: tuple[ServiceName, ...],
    service: str,
    on_ready: Callable[[str], None],
    **overrides: object,
) -> None:
    try:
        chosen = load_settings(**{k: v for k, v in overrides.items() if v is not None})
        configure_logs(service=service, replica=chosen.replica, level=chosen.log_level)
        composition = compose(chosen, names)
        # What start-up made lives as long as the process: keep it out of every collection.
        gc.freeze()
        uvloop.run(run_process(chosen, composition, on_ready))
    except InvalidConfiguration as error:
        typer.echo(f"sangraha: {error.detail}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        # It came before anything was started.
        raise typer.Exit(130) from None


if __name__ == "__main__":
    app()
