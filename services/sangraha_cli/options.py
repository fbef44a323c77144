"""What several commands have in common: their options, and how they end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sangraha.errors import InvalidConfiguration, RequestRefused, Unavailable
from sangraha.settings import Settings, load_settings

DataDir = Annotated[
    Path | None, typer.Option(help="The data folder; `data` if not given.", show_default=False)
]


def settings_with(data_dir: Path | None) -> Settings:
    """Those of the environment, with this data folder. Raises InvalidConfiguration."""
    return load_settings(**({} if data_dir is None else {"data_dir": data_dir}))


@contextmanager
def told_failures() -> Iterator[None]:
    """End the command with 1 for what may pass, and with 2 for what people must change."""
    try:
        yield
    except (InvalidConfiguration, RequestRefused) as error:
        typer.echo(f"sangraha: {error.detail}", err=True)
        raise typer.Exit(2) from None
    except Unavailable as error:
        typer.echo(f"sangraha: {error.detail}; try again later", err=True)
        raise typer.Exit(1) from None
