"""Running other people's programs as their users do."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from development.software import Software
from tests.conftest import require

SECONDS = 60
SANGRAHA = Software("Sangraha", None, "make test", lambda: Path(sys.executable))


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    code: int
    output: bytes
    errors: str

    def ok(self) -> bytes:
        """What it printed; fails unless it succeeded."""
        assert self.code == 0, self.errors
        return self.output


async def run(
    software: Software,
    *arguments: str | Path,
    folder: Path,
    stdin: bytes | None = None,
    within_seconds: float = SECONDS,
) -> Ended:
    """Run it in a folder until it ends."""
    async with running(software, *arguments, folder=folder) as process:
        async with asyncio.timeout(within_seconds):
            output, errors = await process.communicate(stdin)
        assert process.returncode is not None
        return Ended(process.returncode, output, errors.decode(errors="replace"))


async def sangraha(*arguments: str | Path, data_dir: Path) -> Ended:
    """A command of its own, from beside whatever is running."""
    return await run(
        SANGRAHA,
        *("-m", "sangraha_cli", *arguments, "--data-dir", data_dir),
        folder=data_dir.parent,
    )


@asynccontextmanager
async def running(
    software: Software, *arguments: str | Path, folder: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """It and its children are gone at the end of the block."""
    require(software)
    process = await asyncio.create_subprocess_exec(
        str(software.path()),
        *map(str, arguments),
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.communicate()
